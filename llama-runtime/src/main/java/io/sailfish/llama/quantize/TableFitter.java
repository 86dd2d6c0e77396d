package io.sailfish.llama.quantize;

import io.sailfish.kernels.format.TwoByteFloat;
import java.util.Arrays;

/**
 * Learns the table of a strip of outputs together with the scales of their groups, by turns: scales
 * that make the least of each group's error with the table as it is, then the table, by k-means of
 * the weights over their scales. A scale that is a group's largest weight, and stays so, would not
 * do: means of clusters lie inside of them, so that every group's largest weight would shrink.
 */
final class TableFitter {
  private static final int ROUNDS = 3;

  /** Scales tried, as shares of the group's largest weight: from 0.5 in steps of 1/10 to 1.6. */
  private static final int CANDIDATES = 12;

  private static final float LEAST = 0.5f;
  private static final float STEP = 0.1f;

  /** Times that a scale is moved to the best one for the codes that it gives. */
  private static final int REFINEMENTS = 3;

  private final Matrix matrix;
  private final double[] importance;
  private final FittedGrid fitted;
  private final int firstRow;
  private final int rows;
  private final int codes;
  private final double[] points;
  private final double[] costs;
  private final float[] table;

  /** Weights over their scale from which on the next entry is nearer. */
  private final float[] middles;

  private final float[] weights;
  private final float[] scaled;
  private final float[] distances;
  private final double[] shares;

  /**
   * @param importance weight of an error on each input; null for equal ones
   * @param fitted scales are each group's largest weight; they and the strip's table are replaced
   */
  TableFitter(Matrix matrix, double[] importance, FittedGrid fitted, int strip) {
    this.matrix = matrix;
    this.importance = importance;
    this.fitted = fitted;
    this.firstRow = strip * FittedGrid.STRIP;
    this.rows = Math.min(FittedGrid.STRIP, matrix.rows() - firstRow);
    this.codes = fitted.grid().codes();
    this.points = new double[rows * matrix.cols()];
    this.costs = new double[points.length];
    this.table = new float[codes];
    this.middles = new float[codes - 1];
    this.weights = new float[fitted.group()];
    this.scaled = new float[fitted.group()];
    this.distances = new float[fitted.group()];
    this.shares = new double[fitted.group()];
  }

  void fit() {
    float[] largest =
        Arrays.copyOfRange(
            fitted.scales(), firstRow * fitted.groups(), (firstRow + rows) * fitted.groups());
    spread();
    double[] centres = KMeans.centres(points, costs, codes);
    take(centres);
    for (int round = 0; round < ROUNDS; round++) {
      fitScales(largest);
      spread();
      centres = KMeans.improved(points, costs, centres);
      take(centres);
    }
    fitScales(largest);
    System.arraycopy(table, 0, fitted.tables(), firstRow / FittedGrid.STRIP * codes, codes);
  }

  private void take(double[] centres) {
    Arrays.sort(centres);
    for (int q = 0; q < codes; q++) {
      table[q] = half((float) centres[q]);
      if (q > 0) {
        middles[q - 1] = 0.5f * (table[q - 1] + table[q]);
      }
    }
  }

  /** Weights over their scales, each with what its squared error there costs. */
  private void spread() {
    int cols = matrix.cols();
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        int row = firstRow + r;
        float scale = fitted.scales()[row * fitted.groups() + c / fitted.group()];
        double weight = matrix.values()[row * cols + c];
        points[r * cols + c] = scale == 0 ? 0 : weight / scale;
        costs[r * cols + c] = (importance == null ? 1 : importance[c]) * scale * scale;
      }
    }
  }

  private void fitScales(float[] largest) {
    for (int r = 0; r < rows; r++) {
      for (int g = 0; g < fitted.groups(); g++) {
        int at = (firstRow + r) * fitted.groups() + g;
        fitted.scales()[at] = scale(firstRow + r, g, largest[r * fitted.groups() + g]);
      }
    }
  }

  private float scale(int row, int g, float largest) {
    int first = g * fitted.group();
    int count = Math.min(fitted.group(), matrix.cols() - first);
    for (int i = 0; i < count; i++) {
      weights[i] = matrix.values()[row * matrix.cols() + first + i];
      shares[i] = importance == null ? 1 : importance[first + i];
    }
    float best = largest;
    double least = Double.POSITIVE_INFINITY;
    for (int candidate = 0; candidate < CANDIDATES; candidate++) {
      float scale = half(largest * (LEAST + candidate * STEP));
      double error = scale > 0 ? error(scale, count) : Double.POSITIVE_INFINITY;
      if (error < least) {
        least = error;
        best = scale;
      }
    }
    for (int i = 0; i < REFINEMENTS; i++) {
      float scale = half(bestForCodes(best, count));
      double error = scale > 0 ? error(scale, count) : least;
      if (error >= least) {
        break;
      }
      least = error;
      best = scale;
    }
    return best;
  }

  private double error(float scale, int count) {
    float inverse = 1 / scale;
    for (int i = 0; i < count; i++) {
      scaled[i] = weights[i] * inverse;
      distances[i] = Float.MAX_VALUE;
    }
    for (int q = 0; q < codes; q++) {
      nearer(distances, scaled, table[q], count);
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += distances[i] * distances[i] * shares[i];
    }
    return sum * scale * scale;
  }

  /** A loop that HotSpot turns into vectors. */
  private static void nearer(float[] distances, float[] weights, float value, int count) {
    for (int i = 0; i < count; i++) {
      distances[i] = Math.min(distances[i], Math.abs(weights[i] - value));
    }
  }

  /** The scale with the least error for the codes that another one gives. */
  private float bestForCodes(float scale, int count) {
    float inverse = 1 / scale;
    double product = 0;
    double square = 0;
    for (int i = 0; i < count; i++) {
      double value = nearest(weights[i] * inverse);
      product += shares[i] * value * weights[i];
      square += shares[i] * value * value;
    }
    return square == 0 ? 0 : (float) (product / square);
  }

  /** The entry of the ascending table that is nearest to a weight over its scale. */
  private float nearest(float weight) {
    int code = 0;
    for (float middle : middles) {
      code += weight > middle ? 1 : 0;
    }
    return table[code];
  }

  private static float half(float value) {
    return TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(value));
  }
}
