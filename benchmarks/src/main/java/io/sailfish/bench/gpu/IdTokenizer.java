package io.sailfish.bench.gpu;

import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.Arrays;

/** Stands for the tokenizer of a model that has no vocabulary: the text of ids is their numbers. */
final class IdTokenizer implements Tokenizer {
  @Override
  public int[] encodeText(String text) {
    throw new UnsupportedOperationException("this model has ids alone");
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
    return Arrays.toString(ids);
  }

  @Override
  public StreamingDecoder streamingDecoder() {
    throw new UnsupportedOperationException("this model has ids alone");
  }

  @Override
  public void close() {}
}
