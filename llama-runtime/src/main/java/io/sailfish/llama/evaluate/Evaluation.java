package io.sailfish.llama.evaluate;

import io.sailfish.kernels.Backends;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Workers;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How well a model predicts a text, and how far it is from another one: windows of a fixed length
 * one behind the other, each from position 0, every token but the first of a window predicted.
 */
public final class Evaluation {
  private final Path model;
  private final Path original;
  private final String backend;
  private final int threads;

  /**
   * What came out.
   *
   * @param tokens predicted tokens
   * @param perplexity exp of the mean negative log-likelihood
   * @param originalPerplexity that of the original; NaN without one
   * @param klDivergence mean over positions of KL(original ‖ model) in nats; NaN without original
   * @param agreement share of positions where both have the same most likely token; NaN likewise
   */
  public record Result(
      long tokens,
      double perplexity,
      double originalPerplexity,
      double klDivergence,
      double agreement) {}

  /** Told of every window that is done. */
  public interface Progress {
    void done(int windows, int ofWindows, double perplexity);
  }

  /**
   * @param original model to compare with, or null
   * @param backend as {@link Backends#open} knows it
   */
  public Evaluation(Path model, Path original, String backend, int threads) {
    this.model = model;
    this.original = original;
    this.backend = backend;
    this.threads = threads;
  }

  /**
   * Evaluates on a text.
   *
   * @param length tokens a window, at least 2
   * @param mostWindows windows to stop after
   */
  public Result run(String text, int length, int mostWindows, Progress progress) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      List<int[]> windows = windows(checkpoint, text, length, mostWindows);
      try (WindowForward own =
          new WindowForward(checkpoint, Backends.open(backend, threads), length)) {
        if (original == null) {
          return run(windows, own, null, progress);
        }
        try (Checkpoint other = Checkpoints.open(original);
            WindowForward reference =
                new WindowForward(other, Backends.open(backend, threads), length)) {
          if (reference.vocabulary() != own.vocabulary()) {
            throw new RuntimeFailure(
                Kind.USER,
                "%s has %d tokens, %s has %d: they cannot be compared"
                    .formatted(model, own.vocabulary(), original, reference.vocabulary()),
                null);
          }
          return run(windows, own, reference, progress);
        }
      }
    }
  }

  private List<int[]> windows(Checkpoint checkpoint, String text, int length, int most) {
    try (Tokenizer tokenizer =
        HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      int[] ids = tokenizer.encodeText(text);
      if (ids.length < length) {
        throw new RuntimeFailure(
            Kind.USER,
            "the text has %d tokens, a window %d; give more text".formatted(ids.length, length),
            null);
      }
      List<int[]> windows = new ArrayList<>();
      for (int at = 0; at + length <= ids.length && windows.size() < most; at += length) {
        windows.add(Arrays.copyOfRange(ids, at, at + length));
      }
      return windows;
    }
  }

  private Result run(
      List<int[]> windows, WindowForward own, WindowForward reference, Progress progress) {
    try (Workers workers = new Workers(threads)) {
      return run(windows, own, reference, new Sums(workers, own.vocabulary()), progress);
    }
  }

  private static Result run(
      List<int[]> windows,
      WindowForward own,
      WindowForward reference,
      Sums total,
      Progress progress) {
    for (int i = 0; i < windows.size(); i++) {
      int[] window = windows.get(i);
      float[][] expected = reference == null ? null : logits(window, reference);
      own.run(window, (first, rows, logits) -> total.add(window, first, rows, logits, expected));
      progress.done(i + 1, windows.size(), Math.exp(total.loss / total.tokens));
    }
    double n = total.tokens;
    boolean compared = reference != null;
    return new Result(
        total.tokens,
        Math.exp(total.loss / n),
        compared ? Math.exp(total.originalLoss / n) : Double.NaN,
        compared ? total.divergence / n : Double.NaN,
        compared ? total.agreeing / n : Double.NaN);
  }

  private static float[][] logits(int[] window, WindowForward forward) {
    float[][] all = new float[window.length][forward.vocabulary()];
    forward.run(
        window,
        (first, rows, logits) -> {
          for (int r = 0; r < rows; r++) {
            System.arraycopy(
                logits, r * forward.vocabulary(), all[first + r], 0, forward.vocabulary());
          }
        });
    return all;
  }

  /** Sums over positions, in their order. */
  private static final class Sums {
    private final Workers workers;
    private final int vocabulary;
    private long tokens;
    private double loss;
    private double originalLoss;
    private double divergence;
    private double agreeing;

    Sums(Workers workers, int vocabulary) {
      this.workers = workers;
      this.vocabulary = vocabulary;
    }

    void add(int[] window, int first, int rows, float[] logits, float[][] expected) {
      int count = Math.min(rows, window.length - 1 - first);
      Distribution[] own = new Distribution[count];
      Distribution[] other = new Distribution[count];
      double[] divergences = new double[count];
      workers.run(
          count,
          (from, to) -> {
            for (int r = from; r < to; r++) {
              own[r] = new Distribution(logits, r * vocabulary, vocabulary);
              if (expected != null) {
                other[r] = new Distribution(expected[first + r], 0, vocabulary);
                divergences[r] = other[r].divergence(own[r]);
              }
            }
          });
      for (int r = 0; r < count; r++) {
        int next = window[first + r + 1];
        tokens++;
        loss -= own[r].logProb(next);
        if (expected != null) {
          originalLoss -= other[r].logProb(next);
          divergence += divergences[r];
          agreeing += own[r].best() == other[r].best() ? 1 : 0;
        }
      }
    }
  }
}
