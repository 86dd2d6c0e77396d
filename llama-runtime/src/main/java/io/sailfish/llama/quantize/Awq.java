package io.sailfish.llama.quantize;

import java.util.Arrays;
import java.util.List;

/**
 * The scale search of AWQ (Lin et al., 2023): inputs with large activations get larger weights,
 * which rounds them more finely, and the inverse goes into what makes the activations. Candidates
 * are s = m^r / w^(1-r), m the inputs' root mean squares and w the mean share that an input's
 * weights have of their group's largest; the one with the least error of the outputs is taken.
 *
 * <p>The error is that of each matrix' own outputs, from second moments: AutoAWQ runs the module
 * after the matrices instead and takes means of magnitudes.
 */
final class Awq {
  private static final int CANDIDATES = 20;
  private static final int ROWS_AT_A_TIME = 16;

  private final Recipe.Choice choice;
  private final Workers workers;

  Awq(Recipe.Choice choice, Workers workers) {
    this.choice = choice;
    this.workers = workers;
  }

  /**
   * Factors of the inputs that matrices share, to be multiplied into their columns.
   *
   * @param tokens rows that the Hessian sums over
   */
  float[] scales(List<Matrix> matrices, Hessian hessian, long tokens) {
    float[] moments = hessian.floats();
    double[] shares = shares(matrices);
    float[] best = new float[hessian.cols()];
    Arrays.fill(best, 1);
    double least = error(matrices, moments, best);
    for (int candidate = 0; candidate < CANDIDATES; candidate++) {
      float[] scales = candidate(hessian, tokens, shares, (double) candidate / CANDIDATES);
      double error = error(matrices, moments, scales);
      if (error < least) {
        least = error;
        best = scales;
      }
    }
    return best;
  }

  /** Mean over the outputs of each input's share of its group's largest weight. */
  private double[] shares(List<Matrix> matrices) {
    int cols = matrices.get(0).cols();
    int group = choice.group() == 0 ? cols : choice.group();
    double[] shares = new double[cols];
    int rows = 0;
    for (Matrix matrix : matrices) {
      rows += matrix.rows();
      for (int row = 0; row < matrix.rows(); row++) {
        for (int first = 0; first < cols; first += group) {
          int end = Math.min(cols, first + group);
          double largest = 1e-6;
          for (int c = first; c < end; c++) {
            largest = Math.max(largest, Math.abs(matrix.values()[row * cols + c]));
          }
          for (int c = first; c < end; c++) {
            shares[c] += Math.abs(matrix.values()[row * cols + c]) / largest;
          }
        }
      }
    }
    for (int c = 0; c < cols; c++) {
      shares[c] /= rows;
    }
    return shares;
  }

  private static float[] candidate(Hessian hessian, long tokens, double[] shares, double ratio) {
    double[] scales = new double[shares.length];
    double low = Double.POSITIVE_INFINITY;
    double high = 0;
    for (int c = 0; c < scales.length; c++) {
      double activation = Math.sqrt(hessian.at(c, c) / tokens);
      double scale =
          StrictMath.pow(activation, ratio) / (StrictMath.pow(shares[c], 1 - ratio) + 1e-4);
      scales[c] = Math.max(1e-4, scale);
      low = Math.min(low, scales[c]);
      high = Math.max(high, scales[c]);
    }
    float[] result = new float[scales.length];
    for (int c = 0; c < scales.length; c++) {
      result[c] = (float) (scales[c] / Math.sqrt(low * high));
    }
    return result;
  }

  private double error(List<Matrix> matrices, float[] moments, float[] scales) {
    double sum = 0;
    for (Matrix matrix : matrices) {
      Matrix scaled = scaled(matrix, scales);
      QuantizedMatrix rounded =
          Rounding.nearest(scaled, GridFitter.fit(withoutClip(), scaled, null, workers), workers);
      sum += error(scaled, rounded, moments, scales);
    }
    return sum;
  }

  private Recipe.Choice withoutClip() {
    return new Recipe.Choice(choice.method(), choice.grid(), choice.group());
  }

  static Matrix scaled(Matrix matrix, float[] scales) {
    float[] values = matrix.values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] *= scales[i % scales.length];
    }
    return new Matrix(matrix.name(), matrix.rows(), matrix.cols(), values);
  }

  private double error(Matrix scaled, QuantizedMatrix rounded, float[] moments, float[] scales) {
    int cols = scaled.cols();
    int blocks = (scaled.rows() + ROWS_AT_A_TIME - 1) / ROWS_AT_A_TIME;
    double[] sums = new double[blocks];
    workers.run(
        blocks,
        (from, to) -> {
          for (int block = from; block < to; block++) {
            int first = block * ROWS_AT_A_TIME;
            int count = Math.min(ROWS_AT_A_TIME, scaled.rows() - first);
            float[][] errors = new float[count][cols];
            for (int r = 0; r < count; r++) {
              rounded.row(first + r, errors[r]);
              for (int c = 0; c < cols; c++) {
                errors[r][c] = (scaled.values()[(first + r) * cols + c] - errors[r][c]) / scales[c];
              }
            }
            sums[block] = Hessian.quadratic(moments, errors);
          }
        });
    return Arrays.stream(sums).sum();
  }
}
