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
    Histogram histogram = new Histogram(points, costs);
    double[] centres = new double[count];
    for (int i = 0; i < count; i++) {
      centres[i] = histogram.quantile((i + 0.5) / count);
    }
    iterate(centres, histogram);
    return centres;
  }

  /** The same from other centres on, ascending. */
  static double[] improved(double[] points, double[] costs, double[] centres) {
    double[] improved = centres.clone();
    iterate(improved, new Histogram(points, costs));
    return improved;
  }

  /** Running sums of costs, and of costs times points, over bins of equal width. */
  private static final class Histogram {
    final double low;
    final double width;
    final double[] mass = new double[BINS + 1];
    final double[] moment = new double[BINS + 1];

    Histogram(double[] points, double[] costs) {
      low = Arrays.stream(points).min().orElse(0);
      width = (Arrays.stream(points).max().orElse(0) - low) / BINS;
      for (int i = 0; i < points.length; i++) {
        int bin = width == 0 ? 0 : Math.min(BINS - 1, (int) ((points[i] - low) / width));
        mass[bin + 1] += costs[i];
        moment[bin + 1] += costs[i] * points[i];
      }
      for (int bin = 0; bin < BINS; bin++) {
        mass[bin + 1] += mass[bin];
        moment[bin + 1] += moment[bin];
      }
    }

    /** Where a share of all costs lies below; of the range where nothing costs. */
    double quantile(double share) {
      if (mass[BINS] == 0 || width == 0) {
        return low + share * BINS * width;
      }
      int bin = 0;
      while (bin < BINS - 1 && mass[bin + 1] < share * mass[BINS]) {
        bin++;
      }
      return low + (bin + 0.5) * width;
    }
  }

  private static void iterate(double[] centres, Histogram points) {
    double[] mass = points.mass;
    double[] moment = points.moment;
    double width = points.width;
    for (int round = 0; round < MOST_ROUNDS && width > 0; round++) {
      boolean moved = false;
      int from = 0;
      for (int i = 0; i < centres.length; i++) {
        int to = BINS;
        if (i + 1 < centres.length) {
          double middle = (centres[i] + centres[i + 1]) / 2;
          to = Math.max(from, Math.min(BINS, (int) ((middle - points.low) / width)));
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
