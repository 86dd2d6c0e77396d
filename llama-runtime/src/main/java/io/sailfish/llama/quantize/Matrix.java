package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A weight matrix in fp32, row-major {@code [rows, cols]} = outputs by inputs.
 *
 * @param name our name of the tensor, such as {@code layers.0.q}
 */
public record Matrix(String name, int rows, int cols, float[] values) {
  private static final int ROWS_AT_A_TIME = 64;

  /** Decodes a tensor; refuses what is no number. */
  static Matrix read(String name, WeightSource source) {
    return read(name, source, 0, source.rows());
  }

  /** The same of rows {@code [from, from + rows)}. */
  static Matrix read(String name, WeightSource source, int from, int rows) {
    int cols = source.cols();
    float[] values = new float[Math.multiplyExact(rows, cols)];
    long rowBytes = source.format().rowBytes(cols);
    ByteBuffer encoded =
        ByteBuffer.allocate(Math.toIntExact(ROWS_AT_A_TIME * rowBytes))
            .order(ByteOrder.LITTLE_ENDIAN);
    int[] order = source.inputOrder();
    float[] row = new float[cols];
    for (int first = 0; first < rows; first += ROWS_AT_A_TIME) {
      int count = Math.min(ROWS_AT_A_TIME, rows - first);
      source.readRows(from + first, count, encoded.clear());
      for (int r = 0; r < count; r++) {
        int to = (first + r) * cols;
        source.format().codec().decode(encoded, (int) (r * rowBytes), row, 0, cols);
        for (int c = 0; c < cols; c++) {
          values[to + (order == null ? c : order[c])] = row[c];
        }
      }
    }
    for (int i = 0; i < values.length; i++) {
      if (!Float.isFinite(values[i])) {
        throw new RuntimeFailure(
            Kind.USER,
            "tensor %s: weight [%d, %d] = %s; weights to quantise must be numbers"
                .formatted(source.name(), from + i / cols, i % cols, values[i]),
            null);
      }
    }
    return new Matrix(name, rows, cols, values);
  }
}
