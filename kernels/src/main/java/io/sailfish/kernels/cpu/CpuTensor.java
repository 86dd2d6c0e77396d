package io.sailfish.kernels.cpu;

import io.sailfish.kernels.Tensor;

/** Row-major fp32 {@code [rows, cols]} in a Java array, which is what vector loads read on 17. */
final class CpuTensor implements Tensor {
  final float[] data;
  private final int rows;
  private final int cols;

  CpuTensor(int rows, int cols, String purpose) {
    this(rows, cols, purpose, null);
  }

  /**
   * @param values what it holds; null for zeros
   */
  CpuTensor(int rows, int cols, String purpose, float[] values) {
    if (rows <= 0 || cols <= 0 || (long) rows * cols > Integer.MAX_VALUE - 16) {
      throw new IllegalArgumentException(
          "%s: a CPU tensor holds 1 to 2^31 values, not %d rows of %d"
              .formatted(purpose, rows, cols));
    }
    this.rows = rows;
    this.cols = cols;
    this.data = values == null ? new float[rows * cols] : values;
    if (data.length != rows * cols) {
      throw new IllegalArgumentException(
          "%s: %d values for %d rows of %d".formatted(purpose, data.length, rows, cols));
    }
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }
}
