package io.sailfish.llama.evaluate;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * How far the weights of one model are from another's: ‖W - W'‖ / ‖W'‖ (Frobenius) of each matrix.
 * Methods that scale inputs (AWQ) change weights on purpose and look worse here than they are; what
 * layers put out tells more.
 */
public final class WeightErrors implements AutoCloseable {
  /** The matrices of a layer, in the order of the errors. */
  public static final List<String> MATRICES = List.of("q", "k", "v", "o", "gate", "up", "down");

  private final Checkpoint own;
  private final Checkpoint other;

  /** Opens both models, which must be of one shape. */
  public WeightErrors(Path model, Path original) {
    this.own = Checkpoints.open(model);
    try {
      this.other = Checkpoints.open(original);
    } catch (RuntimeException e) {
      own.close();
      throw e;
    }
  }

  /** Errors of all layers. */
  public static List<double[]> of(Path model, Path original) {
    List<double[]> errors = new ArrayList<>();
    try (WeightErrors both = new WeightErrors(model, original)) {
      for (int layer = 0; layer < both.layers(); layer++) {
        errors.add(both.layer(layer));
      }
    }
    return errors;
  }

  /** Layers of the model. */
  public int layers() {
    return own.config().layers();
  }

  /** Errors of a layer's {@link #MATRICES}; 0 for those that it has not. */
  public double[] layer(int layer) {
    double[] errors = new double[MATRICES.size()];
    for (int i = 0; i < errors.length; i++) {
      String name = "layers." + layer + "." + MATRICES.get(i);
      WeightSource tensor = own.tensor(name);
      errors[i] = tensor == null ? 0 : error(tensor, other.tensor(name));
    }
    return errors;
  }

  private static double error(WeightSource own, WeightSource other) {
    boolean fits = other != null && own.rows() == other.rows() && own.cols() == other.cols();
    if (!fits) {
      throw new RuntimeFailure(
          Kind.USER,
          "tensor %s: the original has none of shape [%d, %d]"
              .formatted(own.name(), own.rows(), own.cols()),
          null);
    }
    double squares = 0;
    double all = 0;
    float[] a = new float[own.cols()];
    float[] b = new float[own.cols()];
    for (int row = 0; row < own.rows(); row++) {
      decode(own, row, a);
      decode(other, row, b);
      for (int c = 0; c < a.length; c++) {
        squares += ((double) a[c] - b[c]) * ((double) a[c] - b[c]);
        all += (double) b[c] * b[c];
      }
    }
    return all == 0 ? 0 : Math.sqrt(squares / all);
  }

  private static void decode(WeightSource source, int row, float[] dst) {
    ByteBuffer encoded =
        ByteBuffer.allocate(Math.toIntExact(source.format().rowBytes(source.cols())))
            .order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(row, 1, encoded);
    float[] stored = new float[dst.length];
    source.format().codec().decode(encoded, 0, stored, 0, stored.length);
    int[] order = source.inputOrder();
    for (int c = 0; c < dst.length; c++) {
      dst[order == null ? c : order[c]] = stored[c];
    }
  }

  @Override
  public void close() {
    own.close();
    other.close();
  }
}
