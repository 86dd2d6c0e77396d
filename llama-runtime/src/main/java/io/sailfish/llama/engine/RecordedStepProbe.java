package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntToLongFunction;

/**
 * The batch cap where decode steps are recorded and replayed ({@link BatchCapProbe} elsewhere): all
 * sizes are measured, which takes a moment, and the one with the cheapest row is taken. A step
 * stays memory-bound, and so about as long as one of a single row, up to tens of rows; that number
 * is said too, for who wants answers soon rather than many.
 */
final class RecordedStepProbe {
  /** A larger batch has to make a row that much cheaper. */
  private static final double GAIN = 0.02;

  /** Up to this multiple of a step of one row a step counts as memory-bound. */
  private static final double MEMORY_BOUND = 1.2;

  /** The first step of a size takes memory, the second is recorded. */
  private static final int WARM_UPS = 2;

  private static final int RUNS = 2;

  private RecordedStepProbe() {}

  /**
   * @param stepNanos time of one step of so many rows
   * @param largest most rows
   */
  static BatchCapProbe.Result measure(IntToLongFunction stepNanos, int largest) {
    List<String> seen = new ArrayList<>();
    double one = 0;
    double cheapestRow = Double.POSITIVE_INFINITY;
    int cap = 1;
    int memoryBound = 1;
    for (int rows = 1; rows <= largest; rows *= 2) {
      double nanos = best(stepNanos, rows);
      one = rows == 1 ? nanos : one;
      memoryBound = nanos <= MEMORY_BOUND * one ? rows : memoryBound;
      if (nanos / rows < cheapestRow * (1 - GAIN)) {
        cheapestRow = nanos / rows;
        cap = rows;
      }
      seen.add(String.format(Locale.ROOT, "%d: %.2f", rows, nanos / 1e6));
    }
    String steps = "measured ms a step by batch {" + String.join(", ", seen) + "}";
    return new BatchCapProbe.Result(cap, steps + ", memory-bound up to " + memoryBound);
  }

  private static double best(IntToLongFunction stepNanos, int rows) {
    double best = Double.POSITIVE_INFINITY;
    for (int i = -WARM_UPS; i < RUNS; i++) {
      long nanos = stepNanos.applyAsLong(rows);
      best = i < 0 ? best : Math.min(best, nanos);
    }
    return best;
  }
}
