package io.sailfish.bench.gpu;

import io.sailfish.kernels.format.packed.WeightValues;
import java.util.stream.IntStream;

/**
 * y = x · Wᵀ in double, from the exact values of the weights: what every kernel is held against.
 */
final class ReferenceProduct {
  private ReferenceProduct() {}

  /**
   * @return {@code [rows][outputs]}
   */
  static double[][] compute(HostMatrix x, WeightValues weights, int outputs) {
    double[][] inputs = new double[x.rows][];
    for (int row = 0; row < x.rows; row++) {
      inputs[row] = x.rowValues(row);
    }
    double[][] y = new double[x.rows][outputs];
    IntStream.range(0, outputs)
        .parallel()
        .forEach(
            output -> {
              double[] weight = new double[x.cols];
              weights.row(output, weight);
              for (int row = 0; row < x.rows; row++) {
                y[row][output] = dot(inputs[row], weight);
              }
            });
    return y;
  }

  /** Eight sums at once: a double sum in one chain waits four cycles for every product. */
  private static double dot(double[] a, double[] b) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    double s4 = 0;
    double s5 = 0;
    double s6 = 0;
    double s7 = 0;
    int k = 0;
    for (; k + 8 <= a.length; k += 8) {
      s0 += a[k] * b[k];
      s1 += a[k + 1] * b[k + 1];
      s2 += a[k + 2] * b[k + 2];
      s3 += a[k + 3] * b[k + 3];
      s4 += a[k + 4] * b[k + 4];
      s5 += a[k + 5] * b[k + 5];
      s6 += a[k + 6] * b[k + 6];
      s7 += a[k + 7] * b[k + 7];
    }
    double sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    for (; k < a.length; k++) {
      sum += a[k] * b[k];
    }
    return sum;
  }

  /** Relative error of the first rows, ‖y − ref‖ / ‖ref‖; NaN if anything is NaN. */
  static double relativeError(HostMatrix y, double[][] reference) {
    double error = 0;
    double norm = 0;
    for (int row = 0; row < y.rows; row++) {
      for (int col = 0; col < y.cols; col++) {
        double difference = y.value(row, col) - reference[row][col];
        error += difference * difference;
        norm += reference[row][col] * reference[row][col];
      }
    }
    return norm == 0 ? Math.sqrt(error) : Math.sqrt(error / norm);
  }
}
