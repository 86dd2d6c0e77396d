package io.sailfish.llama.engine;

import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;

/** Token i is the character '@' + i; the streaming decoder lags one token behind. */
class LetterTokenizer implements Tokenizer {
  @Override
  public int[] encodeText(String text) {
    return text.chars().map(c -> c - '@').toArray();
  }

  @Override
  public String escape(String userText) {
    return userText;
  }

  @Override
  public int[] encodePrompt(String rendered) {
    return encodeText(rendered);
  }

  @Override
  public String decode(int[] ids) {
    byte[] bytes = new byte[ids.length];
    for (int i = 0; i < ids.length; i++) {
      bytes[i] = (byte) ('@' + ids[i]);
    }
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  @Override
  public StreamingDecoder streamingDecoder() {
    return new StreamingDecoder() {
      private String held = "";

      @Override
      public String next(int id) {
        String certain = held;
        held = decode(new int[] {id});
        return certain;
      }

      @Override
      public String finish() {
        String rest = held;
        held = "";
        return rest;
      }
    };
  }

  @Override
  public void close() {}
}
