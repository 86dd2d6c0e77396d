package io.sailfish.llama.quantize;

import java.util.Arrays;

/**
 * Weighted k-means of numbers: Lloyd's iteration from the quantiles, on a histogram fine enough
 * that its width is far below the distance of centres.
 */
final class KMeans {
  private static final int BINS = 4096;
  private static final int MOST_ROUNDS = 100;

  private KMeans() {}

  /**
   * @param points numbers to represent
   * @param costs of each point's squared distance from its centre, not negative
   * @return {@code count} centres, ascending
   */
  static double[] centres(double[] points, double[] costs, int count) {
    double low = Arrays.stream(points).min().orElse(0);
    double high = Arrays.stream(points).max().orElse(0);
    double[] centres = new double[count];
    if (low == high) {
      Arrays.fill(centres, low);
      return centres;
    }
    double[] mass = new double[BINS + 1];
    double[] moment = new double[BINS + 1];
    double width = (high - low) / BINS;
    for (int i = 0; i < points.length; i++) {
      int bin = Math.min(BINS - 1, (int) ((points[i] - low) / width));
      mass[bin + 1] += costs[i];
      moment[bin + 1] += costs[i] * points[i];
    }
    for (int bin = 0; bin < BINS; bin++) {
      mass[bin + 1] += mass[bin];
      moment[bin + 1] += moment[bin];
    }
    if (mass[BINS] == 0) {
      Arrays.setAll(centres, i -> low + (high - low) * (i + 0.5) / count);
      return centres;
    }
    for (int i = 0; i < count; i++) {
      double share = mass[BINS] * (i + 0.5) / count;
      int bin = 0;
      while (bin < BINS - 1 && mass[bin + 1] < share) {
        bin++;
      }
      centres[i] = low + (bin + 0.5) * width;
    }
    iterate(centres, mass, moment, low, width);
    return centres;
  }

  private static void iterate(
      double[] centres, double[] mass, double[] moment, double low, double width) {
    for (int round = 0; round < MOST_ROUNDS; round++) {
      boolean moved = false;
      int from = 0;
      for (int i = 0; i < centres.length; i++) {
        int to = BINS;
        if (i + 1 < centres.length) {
          double middle = (centres[i] + centres[i + 1]) / 2;
          to = Math.max(from, Math.min(BINS, (int) ((middle - low) / width)));
        }
        double weight = mass[to] - mass[from];
        if (weight > 0) {
          double centre = (moment[to] - moment[from]) / weight;
          moved |= Math.abs(centre - centres[i]) > width / 16;
          centres[i] = centre;
        }
        from = to;
      }
      if (!moved) {
        return;
      }
    }
  }
}
