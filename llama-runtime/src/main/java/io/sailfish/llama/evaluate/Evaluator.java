package io.sailfish.llama.evaluate;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.Backends;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.quantize.Workers;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A model, and the original that it is compared with, over windows of text: loaded once, then asked
 * window by window. Any way of sharing windows out among evaluators gives the same sums. Not
 * thread-safe.
 */
public final class Evaluator implements AutoCloseable {
  private final Path model;
  private final WindowForward own;
  private final WindowForward original;
  private final Workers workers;

  /**
   * @param original model to compare with, or null
   * @param backend for both
   * @param length most tokens of a window
   * @throws RuntimeFailure when the two cannot be compared
   */
  public Evaluator(Path model, Path original, BackendRequest backend, int length) {
    this.model = model;
    this.own = open(model, backend, length);
    try {
      this.original = original == null ? null : open(original, backend, length);
    } catch (RuntimeException e) {
      own.close();
      throw e;
    }
    this.workers = new Workers(backend.threads());
    try {
      requireComparable(original);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private static WindowForward open(Path path, BackendRequest backend, int length) {
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      return new WindowForward(checkpoint, Backends.open(backend), length);
    }
  }

  private void requireComparable(Path other) {
    if (original == null) {
      return;
    }
    ModelConfig a = own.config();
    ModelConfig b = original.config();
    requireEqual("tokens", other, a.vocabulary(), b.vocabulary());
    requireEqual("layers", other, a.layers(), b.layers());
    requireEqual("values in a layer's output", other, a.hidden(), b.hidden());
  }

  private void requireEqual(String what, Path other, int a, int b) {
    if (a != b) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s has %d %s, %s has %d: they cannot be compared".formatted(model, a, what, other, b),
          null);
    }
  }

  /**
   * Predicts every token of a window but the first.
   *
   * @param window at least 2 tokens
   */
  public EvaluationSums score(int... window) {
    WindowSums sums = new WindowSums(original == null ? 0 : own.config().layers());
    for (int first = 0; first < window.length - 1; first += WindowForward.PIECE) {
      int rows = own.piece(window, first, original != null);
      if (original != null) {
        original.piece(window, first, true);
        sums.addLayers(rows * own.config().hidden());
      }
      sums.addTokens(window, first, Math.min(rows, window.length - 1 - first));
    }
    return sums.done(window.length - 1);
  }

  /** Sums over the positions of a window, in their order. */
  private final class WindowSums {
    private double loss;
    private double originalLoss;
    private double divergence;
    private long agreeing;
    private final double[] differences;
    private final double[] squares;

    WindowSums(int layers) {
      differences = new double[layers];
      squares = new double[layers];
    }

    void addTokens(int[] window, int first, int count) {
      int vocabulary = own.config().vocabulary();
      Distribution[] mine = new Distribution[count];
      Distribution[] other = new Distribution[count];
      double[] divergences = new double[count];
      workers.run(
          count,
          (from, to) -> {
            for (int r = from; r < to; r++) {
              mine[r] = new Distribution(own.logits(), r * vocabulary, vocabulary);
              if (original != null) {
                other[r] = new Distribution(original.logits(), r * vocabulary, vocabulary);
                divergences[r] = other[r].divergence(mine[r]);
              }
            }
          });
      for (int r = 0; r < count; r++) {
        int next = window[first + r + 1];
        loss -= mine[r].logProb(next);
        if (original != null) {
          originalLoss -= other[r].logProb(next);
          divergence += divergences[r];
          agreeing += mine[r].best() == other[r].best() ? 1 : 0;
        }
      }
    }

    void addLayers(int values) {
      workers.run(
          differences.length,
          (from, to) -> {
            for (int layer = from; layer < to; layer++) {
              addLayer(layer, values);
            }
          });
    }

    private void addLayer(int layer, int values) {
      float[] a = own.residuals()[layer];
      float[] b = original.residuals()[layer];
      double difference = 0;
      double square = 0;
      for (int i = 0; i < values; i++) {
        double d = (double) a[i] - b[i];
        difference += d * d;
        square += (double) b[i] * b[i];
      }
      differences[layer] += difference;
      squares[layer] += square;
    }

    EvaluationSums done(int tokens) {
      List<EvaluationSums.Layer> layers = new ArrayList<>();
      for (int i = 0; i < differences.length; i++) {
        layers.add(new EvaluationSums.Layer(exact(differences[i]), exact(squares[i])));
      }
      return new EvaluationSums(
          own.backend(),
          tokens,
          exact(loss),
          exact(originalLoss),
          exact(divergence),
          agreeing,
          layers);
    }

    private BigDecimal exact(double value) {
      if (!Double.isFinite(value)) {
        throw new RuntimeFailure(
            Kind.USER,
            "%s%s: a window of the text gives values that are not finite: the weights are damaged"
                .formatted(model, original == null ? "" : " or its original"),
            null);
      }
      return new BigDecimal(value);
    }
  }

  @Override
  public void close() {
    own.close();
    if (original != null) {
      original.close();
    }
    workers.close();
  }
}
