package io.sailfish.llama.evaluate;

import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Cuts texts into windows of tokens, one behind the other; the last one of a text is shorter, and
 * left out when it would be a single token, which nothing predicts. Thread-safe.
 */
public final class TextWindows implements AutoCloseable {
  private final Tokenizer tokenizer;
  private final int length;

  private TextWindows(Tokenizer tokenizer, int length) {
    this.tokenizer = tokenizer;
    this.length = length;
  }

  /**
   * @param model whose tokenizer cuts
   * @param length tokens of a window, at least 2
   */
  public static TextWindows of(Path model, int length) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "windows of %d tokens: it takes 2 to predict one".formatted(length));
    }
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      Tokenizer tokenizer =
          HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig());
      return new TextWindows(tokenizer, length);
    }
  }

  /** The windows of one text. */
  public List<int[]> cut(String text) {
    int[] ids = tokenizer.encodeText(text);
    List<int[]> windows = new ArrayList<>();
    for (int at = 0; at < ids.length - 1; at += length) {
      windows.add(Arrays.copyOfRange(ids, at, Math.min(ids.length, at + length)));
    }
    return windows;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
