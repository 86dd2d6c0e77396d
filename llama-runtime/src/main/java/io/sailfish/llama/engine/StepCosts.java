package io.sailfish.llama.engine;

/**
 * How long a step takes by its number of rows, measured while steps run. A measurement counts for a
 * while only, the longer the more there are of it: contexts grow, code is compiled, and a number of
 * rows that once looked dear has to be tried again.
 */
final class StepCosts {
  private static final double NEWEST = 0.2;

  /** A step that takes so many times the usual was delayed by something else, unless it goes on. */
  static final double DELAYED = 2;

  private static final int DELAYED_IN_A_ROW = 3;

  /** Steps for which one measurement counts, and for which any number of them does. */
  private static final int COUNTS = 32;

  private static final int COUNTS_LONGEST = 512;

  /** Rows that are thought to cost as much as reading the weights, before any were measured. */
  private static final double ROWS_OF_THE_WEIGHTS = 16;

  private final double[] nanos;
  private final int[] samples;
  private final int[] delayed;
  private final long[] lastStep;
  private final int warmUps;

  /**
   * @param most rows that are kept
   * @param warmUps steps of a number of rows that may take longer than all later ones
   */
  StepCosts(int most, int warmUps) {
    this.warmUps = warmUps;
    nanos = new double[most + 1];
    samples = new int[most + 1];
    delayed = new int[most + 1];
    lastStep = new long[most + 1];
  }

  /**
   * @param step number of the step, for how long the measurement counts
   */
  void note(int rows, long took, long step) {
    if (rows >= nanos.length) {
      return;
    }
    if (samples[rows] == 0 || samples[rows] > warmUps && !knows(rows, step)) {
      nanos[rows] = took;
    } else if (samples[rows] <= warmUps) {
      nanos[rows] = Math.min(nanos[rows], took);
    } else if (took <= DELAYED * nanos[rows] || ++delayed[rows] > DELAYED_IN_A_ROW) {
      double weight = Math.max(NEWEST, 1.0 / (samples[rows] + 1));
      nanos[rows] += weight * (took - nanos[rows]);
      delayed[rows] = 0;
    }
    samples[rows]++;
    lastStep[rows] = step;
  }

  boolean knows(int rows, long step) {
    return rows < nanos.length
        && samples[rows] > warmUps
        && step - lastStep[rows] <= Math.min(COUNTS_LONGEST, COUNTS * samples[rows]);
  }

  /**
   * Between measured numbers of rows the line between them, beyond the largest the line through it
   * and one well below; where there are none to draw it through, a row costs little, so that more
   * are tried.
   */
  double nanos(int rows, long step) {
    int below = nearest(rows, -1, step);
    int above = nearest(rows, 1, step);
    if (below < 0) {
      return nanos[above];
    }
    if (above < 0) {
      int before = nearest(below * 3 / 4, -1, step);
      return before < 0
          ? guess(nanos[below], below, rows - below)
          : Math.max(nanos[below], onLine(before, below, rows)); // more rows are never cheaper
    }
    return below == above ? nanos[below] : onLine(below, above, rows);
  }

  /**
   * Of a step with {@code more} rows than one of {@code rows} that took {@code nanos}: a row is
   * thought to cost less than it may, so that it is tried.
   */
  static double guess(double nanos, int rows, int more) {
    return nanos * (1 + more / (ROWS_OF_THE_WEIGHTS + 2.0 * (rows - 1)));
  }

  /** The largest number of rows that was measured, 0 for none. */
  int largest(long step) {
    return Math.max(0, nearest(nanos.length - 1, -1, step));
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
