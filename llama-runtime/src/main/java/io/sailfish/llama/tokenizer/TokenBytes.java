package io.sailfish.llama.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * The bytes each token stands for, in one array: decoding appends them and never asks the native
 * library, so its cost per token does not depend on what came before. Special tokens have none.
 */
final class TokenBytes {
  private static final char SENTENCEPIECE_SPACE = '\u2581';

  /** How token texts become bytes. */
  private enum Spelling {
    /** One printable character a byte (GPT-2). */
    BYTE_LEVEL,
    /** Plain text with {@code U+2581} for spaces and {@code <0x..>} for bytes. */
    SENTENCEPIECE
  }

  private final byte[] bytes;
  private final int[] starts;
  private final boolean stripFirstSpace;

  private TokenBytes(byte[] bytes, int[] starts, boolean stripFirstSpace) {
    this.bytes = bytes;
    this.starts = starts;
    this.stripFirstSpace = stripFirstSpace;
  }

  /**
   * @param texts by id; null for ids without text (special, or not there)
   * @param decoder the {@code decoder} node of a tokenizer.json
   */
  static TokenBytes of(String[] texts, JsonNode decoder) {
    Spelling spelling = spelling(decoder);
    byte[] byteOfChar = spelling == Spelling.BYTE_LEVEL ? byteLevelAlphabet() : null;
    ByteArrayOutputStream all = new ByteArrayOutputStream(texts.length * 8);
    int[] starts = new int[texts.length + 1];
    for (int id = 0; id < texts.length; id++) {
      if (texts[id] != null) {
        all.writeBytes(
            byteOfChar != null ? fromAlphabet(texts[id], byteOfChar) : fromPiece(texts[id]));
      }
      starts[id + 1] = all.size();
    }
    return new TokenBytes(all.toByteArray(), starts, stripsFirstSpace(decoder));
  }

  /** Whether text starts with a space that is no part of it. */
  boolean stripFirstSpace() {
    return stripFirstSpace;
  }

  /** Bytes of a token; 0 for special tokens and for ids that the tokenizer has not. */
  int length(int id) {
    return id < 0 || id >= starts.length - 1 ? 0 : starts[id + 1] - starts[id];
  }

  byte byteAt(int id, int index) {
    return bytes[starts[id] + index];
  }

  private static Spelling spelling(JsonNode decoder) {
    String type = decoder.path("type").asText();
    if (type.equals("ByteLevel")) {
      return Spelling.BYTE_LEVEL;
    }
    if (type.equals("Metaspace")) {
      return Spelling.SENTENCEPIECE;
    }
    if (type.equals("Sequence")) {
      for (JsonNode step : decoder.path("decoders")) {
        if (step.path("type").asText().equals("ByteFallback")) {
          return Spelling.SENTENCEPIECE;
        }
        if (step.path("type").asText().equals("ByteLevel")) {
          return Spelling.BYTE_LEVEL;
        }
      }
    }
    throw new RuntimeFailure(
        Kind.USER,
        "tokenizer.json: decoder = %s: decoders known are ByteLevel, Metaspace and a sequence with"
                .formatted(decoder)
            + " ByteFallback",
        null);
  }

  private static boolean stripsFirstSpace(JsonNode decoder) {
    if (decoder.path("type").asText().equals("Metaspace")) {
      return !decoder.path("prepend_scheme").asText("always").equals("never");
    }
    for (JsonNode step : decoder.path("decoders")) {
      if (step.path("type").asText().equals("Strip") && step.path("start").asInt() == 1) {
        return true;
      }
    }
    return false;
  }

  /**
   * GPT-2's table: printable Latin-1 characters stand for their own byte, the other bytes take the
   * characters from U+0100 on, in order. Index: character; 0 also where there is no entry but NUL.
   */
  private static byte[] byteLevelAlphabet() {
    byte[] byteOfChar = new byte[512];
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean itself = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
      byteOfChar[itself ? b : next++] = (byte) b;
    }
    return byteOfChar;
  }

  private static byte[] fromAlphabet(String text, byte[] byteOfChar) {
    byte[] out = new byte[text.length()];
    for (int i = 0; i < out.length; i++) {
      char c = text.charAt(i);
      // U+0100 is the one character that stands for byte 0.
      if (c >= byteOfChar.length || byteOfChar[c] == 0 && c != 0x100) {
        return text.getBytes(StandardCharsets.UTF_8);
      }
      out[i] = byteOfChar[c];
    }
    return out;
  }

  private static byte[] fromPiece(String text) {
    if (text.length() == 6 && text.startsWith("<0x") && text.charAt(5) == '>') {
      int high = Character.digit(text.charAt(3), 16);
      int low = Character.digit(text.charAt(4), 16);
      if (high >= 0 && low >= 0) {
        return new byte[] {(byte) (high << 4 | low)};
      }
    }
    return text.replace(SENTENCEPIECE_SPACE, ' ').getBytes(StandardCharsets.UTF_8);
  }
}
