package io.sailfish.llama.evaluate;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How far the weights of one model are from another's: ‖W - W'‖ / ‖W'‖ (Frobenius) of each matrix.
 * Methods that scale inputs (AWQ) change weights on purpose and look worse here than they are.
 */
public final class WeightErrors {
  private static final List<String> MATRICES = List.of("q", "k", "v", "o", "gate", "up", "down");

  private WeightErrors() {}

  /** Errors by layer and matrix; both models must be of one shape. */
  public static Map<Integer, Map<String, Double>> of(Path model, Path original) {
    Map<Integer, Map<String, Double>> errors = new LinkedHashMap<>();
    try (Checkpoint own = Checkpoints.open(model);
        Checkpoint other = Checkpoints.open(original)) {
      for (int layer = 0; layer < own.config().layers(); layer++) {
        Map<String, Double> row = new LinkedHashMap<>();
        for (String matrix : MATRICES) {
          String name = "layers." + layer + "." + matrix;
          WeightSource tensor = own.tensor(name);
          row.put(matrix, tensor == null ? 0 : error(tensor, other.tensor(name)));
        }
        errors.put(layer, row);
      }
    }
    return errors;
  }

  private static double error(WeightSource own, WeightSource other) {
    boolean fits = other != null && own.rows() == other.rows() && own.cols() == other.cols();
    if (!fits) {
      throw new IllegalArgumentException(
          "tensor %s: the original has none of shape [%d, %d]"
              .formatted(own.name(), own.rows(), own.cols()));
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
}
