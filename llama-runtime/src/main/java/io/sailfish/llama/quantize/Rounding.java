package io.sailfish.llama.quantize;

import java.util.Comparator;
import java.util.stream.IntStream;

/** Chooses codes: to nearest, or column by column with errors made up for (GPTQ). */
final class Rounding {
  /** Outputs that go through the columns together, so that a row of the factor is read once. */
  private static final int ROWS_AT_A_TIME = 16;

  /** Columns that are rounded before what they err is taken from those behind them. */
  private static final int BLOCK = 32;

  /** Columns that all of a block's errors are taken from at a time: they stay in the cache. */
  private static final int WIDTH = 256;

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
    private final float[][] errors;

    Compensation(Matrix matrix, FittedGrid fitted, int[] order, float[] factor, int firstRow) {
      this.fitted = fitted;
      this.order = order;
      this.factor = factor;
      this.firstRow = firstRow;
      int cols = matrix.cols();
      this.rows = new float[Math.min(ROWS_AT_A_TIME, matrix.rows() - firstRow)][cols];
      this.errors = new float[rows.length][BLOCK];
      for (int r = 0; r < rows.length; r++) {
        for (int i = 0; i < cols; i++) {
          rows[r][i] = matrix.values()[(firstRow + r) * cols + order[i]];
        }
      }
    }

    void run(byte[] codes) {
      int cols = order.length;
      for (int start = 0; start < cols; start += BLOCK) {
        int end = Math.min(cols, start + BLOCK);
        for (int i = start; i < end; i++) {
          round(i, start, end, codes);
        }
        for (int at = end; at < cols; at += WIDTH) {
          for (int r = 0; r < rows.length; r++) {
            change(rows[r], errors[r], start, at, Math.min(cols, at + WIDTH));
          }
        }
      }
    }

    /** Rounds a column; of those behind it, only those of its block are changed at once. */
    private void round(int i, int start, int end, byte[] codes) {
      int cols = order.length;
      float pivot = factor[i * cols + i];
      int group = order[i] / fitted.group();
      for (int r = 0; r < rows.length; r++) {
        float weight = rows[r][i];
        int row = firstRow + r;
        int at = row * fitted.groups() + group;
        int code = fitted.nearestInGroup(row, at, weight);
        codes[row * cols + order[i]] = (byte) code;
        float error = (weight - fitted.valueInGroup(row, at, code)) / pivot;
        errors[r][i - start] = error;
        subtract(rows[r], error, factor, i * cols, i + 1, end);
      }
    }

    /**
     * Changes columns {@code [from, to)} of a row by the errors of a whole block that starts at
     * {@code start}, one after the other as they came: the same bits as column by column.
     */
    private void change(float[] row, float[] error, int start, int from, int to) {
      int cols = order.length;
      for (int t = 0; t < BLOCK; t += 4) {
        int at = (start + t) * cols;
        float e0 = error[t];
        float e1 = error[t + 1];
        float e2 = error[t + 2];
        float e3 = error[t + 3];
        for (int j = from; j < to; j++) {
          row[j] =
              row[j]
                  - e0 * factor[at + j]
                  - e1 * factor[at + cols + j]
                  - e2 * factor[at + 2 * cols + j]
                  - e3 * factor[at + 3 * cols + j];
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
