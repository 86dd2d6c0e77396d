package io.sailfish.llama.tokenizer;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Decodes token by token. Holds back only the bytes of an unfinished character, at most three, so a
 * token costs the same wherever it stands.
 */
final class Utf8StreamingDecoder implements Tokenizer.StreamingDecoder {
  private final TokenBytes tokens;
  private final CharsetDecoder utf8 =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);
  private ByteBuffer in = ByteBuffer.allocate(64).limit(0);
  private CharBuffer out = CharBuffer.allocate(64);
  private boolean first = true;

  Utf8StreamingDecoder(TokenBytes tokens) {
    this.tokens = tokens;
  }

  @Override
  public String next(int id) {
    int length = tokens.length(id);
    int begin = 0;
    if (first && length > 0) {
      first = false;
      begin = tokens.stripFirstSpace() && tokens.byteAt(id, 0) == ' ' ? 1 : 0;
    }
    return begin == length ? "" : decode(id, begin, length);
  }

  @Override
  public String finish() {
    out.clear();
    utf8.decode(in, out, true);
    utf8.flush(out);
    String rest = out.flip().toString();
    utf8.reset();
    in.clear().limit(0);
    first = true;
    return rest;
  }

  private String decode(int id, int begin, int length) {
    in.compact();
    if (in.remaining() < length - begin) {
      in = ByteBuffer.allocate(2 * (in.position() + length)).put(in.flip());
    }
    for (int i = begin; i < length; i++) {
      in.put(tokens.byteAt(id, i));
    }
    in.flip();
    // Never more characters than bytes.
    if (out.capacity() < in.remaining()) {
      out = CharBuffer.allocate(2 * in.remaining());
    }
    out.clear();
    utf8.decode(in, out, false);
    return out.flip().toString();
  }
}
