package io.sailfish.llama.engine;

/**
 * How long a step takes by its number of rows, measured while steps run. A measurement counts for a
 * while only, the longer the more there are of it: contexts grow, code is compiled, and a number of
 * rows that once looked dear has to be tried again.
 */
final class StepCosts {
  private static final double NEWEST = 0.2;

  /** A step that something else delayed counts as so many of the usual ones at most. */
  private static final double DELAYED = 2;

  /** Steps for which one measurement counts, and for which any number of them does. */
  private static final int COUNTS = 32;

  private static final int COUNTS_LONGEST = 512;

  /** Share of a step that a further row is thought to cost before any was measured: tried early. */
  private static final double ROW = 1.0 / 16;

  private final double[] nanos;
  private final int[] samples;
  private final long[] lastStep;

  /**
   * @param most rows that are kept
   */
  StepCosts(int most) {
    nanos = new double[most + 1];
    samples = new int[most + 1];
    lastStep = new long[most + 1];
  }

  /**
   * @param step number of the step, for how long the measurement counts
   */
  void note(int rows, long took, long step) {
    if (rows >= nanos.length) {
      return;
    }
    if (knows(rows, step)) {
      double weight = Math.max(NEWEST, 1.0 / (samples[rows] + 1));
      nanos[rows] += weight * (Math.min(took, DELAYED * nanos[rows]) - nanos[rows]);
    } else {
      nanos[rows] = took;
    }
    samples[rows]++;
    lastStep[rows] = step;
  }

  boolean knows(int rows, long step) {
    return rows < nanos.length
        && samples[rows] > 0
        && step - lastStep[rows] <= Math.min(COUNTS_LONGEST, COUNTS * samples[rows]);
  }

  /**
   * Between measured numbers of rows the line between them, beyond the largest the line through the
   * last two; where there are none to draw it through, a row costs little, so that more are tried.
   */
  double nanos(int rows, long step) {
    int below = nearest(rows, -1, step);
    int above = nearest(rows, 1, step);
    if (below < 0) {
      return nanos[above];
    }
    if (above < 0) {
      int before = nearest(below - 1, -1, step);
      return before < 0
          ? guess(nanos[below], rows - below)
          : Math.max(nanos[below], onLine(before, below, rows)); // more rows are never cheaper
    }
    return below == above ? nanos[below] : onLine(below, above, rows);
  }

  /** Of a step with {@code more} rows than one that took {@code nanos}. */
  static double guess(double nanos, int more) {
    return nanos * (1 + more * ROW);
  }

  boolean knowsAny(long step) {
    return nearest(nanos.length - 1, -1, step) > 0;
  }

  private double onLine(int a, int b, int rows) {
    return nanos[a] + (nanos[b] - nanos[a]) * (rows - a) / (b - a);
  }

  private int nearest(int rows, int direction, long step) {
    for (int i = Math.min(rows, nanos.length - 1); i > 0 && i < nanos.length; i += direction) {
      if (knows(i, step) && (direction < 0 || i >= rows)) {
        return i;
      }
    }
    return -1;
  }
}
