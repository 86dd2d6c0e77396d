package io.sailfish.llama.quantize;

import java.util.Comparator;
import java.util.stream.IntStream;

/** Chooses codes: to nearest, or column by column with errors made up for (GPTQ). */
final class Rounding {
  /** Outputs that go through the columns together, so that a row of the factor is read once. */
  private static final int ROWS_AT_A_TIME = 16;

  private Rounding() {}

  /** Round to nearest. */
  static QuantizedMatrix nearest(Matrix matrix, FittedGrid fitted, Workers workers) {
    int cols = matrix.cols();
    byte[] codes = new byte[matrix.values().length];
    workers.run(
        matrix.rows(),
        (from, to) -> {
          for (int row = from; row < to; row++) {
            for (int c = 0; c < cols; c++) {
              int at = row * cols + c;
              codes[at] = (byte) fitted.nearest(row, c, matrix.values()[at]);
            }
          }
        });
    return new QuantizedMatrix(matrix.name(), fitted, codes);
  }

  /** Inputs from the one with the largest second moment on; of equals the first one first. */
  static int[] byMoment(Hessian hessian) {
    double[] moments = hessian.diagonal();
    return IntStream.range(0, moments.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> moments[i]).reversed())
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /**
   * GPTQ (Frantar et al., 2022): columns are rounded one by one, and those that are left are
   * changed so that the outputs over the calibration activations change least. Groups and their
   * scales are those of the whole matrix, whatever the order, so the result needs no order of its
   * own.
   *
   * @param order of the columns
   * @param factor of the inverse Hessian in that order, {@link Hessian#inverseFactor}
   */
  static QuantizedMatrix compensated(
      Matrix matrix, FittedGrid fitted, int[] order, float[] factor, Workers workers) {
    byte[] codes = new byte[matrix.values().length];
    int blocks = (matrix.rows() + ROWS_AT_A_TIME - 1) / ROWS_AT_A_TIME;
    workers.run(
        blocks,
        (from, to) -> {
          for (int block = from; block < to; block++) {
            new Compensation(matrix, fitted, order, factor, block * ROWS_AT_A_TIME).run(codes);
          }
        });
    return new QuantizedMatrix(matrix.name(), fitted, codes);
  }

  /** Some rows of a matrix on their way through the columns. */
  private static final class Compensation {
    private final FittedGrid fitted;
    private final int[] order;
    private final float[] factor;
    private final int firstRow;
    private final float[][] rows;

    Compensation(Matrix matrix, FittedGrid fitted, int[] order, float[] factor, int firstRow) {
      this.fitted = fitted;
      this.order = order;
      this.factor = factor;
      this.firstRow = firstRow;
      int cols = matrix.cols();
      this.rows = new float[Math.min(ROWS_AT_A_TIME, matrix.rows() - firstRow)][cols];
      for (int r = 0; r < rows.length; r++) {
        for (int i = 0; i < cols; i++) {
          rows[r][i] = matrix.values()[(firstRow + r) * cols + order[i]];
        }
      }
    }

    void run(byte[] codes) {
      int cols = order.length;
      for (int i = 0; i < cols; i++) {
        float pivot = factor[i * cols + i];
        int group = order[i] / fitted.group();
        for (int r = 0; r < rows.length; r++) {
          float weight = rows[r][i];
          int row = firstRow + r;
          int at = row * fitted.groups() + group;
          int code = fitted.nearestInGroup(row, at, weight);
          codes[row * cols + order[i]] = (byte) code;
          float error = (weight - fitted.valueInGroup(row, at, code)) / pivot;
          subtract(rows[r], error, factor, i * cols, i + 1, cols);
        }
      }
    }

    private static void subtract(
        float[] row, float error, float[] factor, int at, int from, int to) {
      for (int j = from; j < to; j++) {
        row[j] -= error * factor[at + j];
      }
    }
  }
}
