package io.sailfish.llama.evaluate;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.file.Path;
import java.util.List;

/**
 * How well a model predicts a text, and how far it is from another one, in this process: windows of
 * a fixed length one behind the other, each from position 0, every token but the first of a window
 * predicted.
 */
public final class Evaluation {
  private final Path model;
  private final Path original;
  private final BackendRequest backend;

  /** Told of every window that is done. */
  public interface Progress {
    void done(int windows, int ofWindows, double perplexity);
  }

  /**
   * @param original model to compare with, or null
   */
  public Evaluation(Path model, Path original, BackendRequest backend) {
    this.model = model;
    this.original = original;
    this.backend = backend;
  }

  /**
   * Evaluates on a text.
   *
   * @param length tokens a window, at least 2; the text's last window may be shorter
   * @param mostWindows windows to stop after
   */
  public EvaluationReport run(String text, int length, int mostWindows, Progress progress) {
    List<int[]> windows;
    try (TextWindows cutter = TextWindows.of(model, length)) {
      windows = cutter.cut(text);
    }
    if (windows.isEmpty()) {
      throw new RuntimeFailure(
          Kind.USER, "the text has fewer than 2 tokens: there is nothing to predict", null);
    }
    int count = Math.min(windows.size(), mostWindows);
    EvaluationSums sums = EvaluationSums.NONE;
    try (Evaluator evaluator = new Evaluator(model, original, backend, length)) {
      for (int i = 0; i < count; i++) {
        sums = sums.plus(evaluator.score(windows.get(i)));
        progress.done(i + 1, count, sums.perplexity());
      }
    }
    return new EvaluationReport(
        model.toString(),
        original == null ? null : original.toString(),
        sums,
        original == null ? List.of() : WeightErrors.of(model, original));
  }
}
