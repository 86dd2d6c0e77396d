package io.sailfish.llama.engine;

/**
 * How long steps of decoding rows take without drafts and with them, in nanoseconds, as measured
 * while they run. Rows are those before a step is filled up.
 */
final class DraftTimes {
  private final Speculation.Steps steps;
  private final StepCosts plain;
  private final StepCosts drafted;
  private long step;

  /**
   * @param most rows that are kept
   */
  DraftTimes(Speculation.Steps steps, int most) {
    this.steps = steps;
    this.plain = new StepCosts(most, steps.warmUps());
    this.drafted = steps.runAhead() ? new StepCosts(most, steps.warmUps()) : plain;
  }

  /** Counts a step, whether it is noted or not: measurements grow old. */
  void count() {
    step++;
  }

  void notePlain(int rows, long nanos) {
    plain.note(filled(rows), nanos, step);
  }

  void noteDrafted(int rows, long nanos) {
    drafted.note(filled(rows), nanos, step);
  }

  boolean knowsPlain(int rows) {
    return plain.knows(filled(rows), step);
  }

  double plain(int rows) {
    return plain.nanos(filled(rows), step);
  }

  /**
   * Of a step of {@code rows} and {@code more} drafted ones; at least that without them.
   *
   * @param without {@link #plain} of the rows
   */
  double drafted(int rows, int more, double without) {
    int filled = filled(rows + more);
    boolean known = drafted.largest(step) >= filled(rows);
    double nanos =
        known
            ? drafted.nanos(filled, step)
            : StepCosts.guess(without, filled(rows), filled - filled(rows));
    return Math.max(without, nanos);
  }

  /** What is longer something else delayed, or it was recorded: once for each size. */
  double longest(int rows, int more, double without) {
    return steps.warmUps() > 0 || drafted.knows(filled(rows + more), step)
        ? StepCosts.DELAYED * drafted(rows, more, without)
        : Double.POSITIVE_INFINITY;
  }

  /** How many rows a step may have: what it costs is tried from small to large. */
  int reach(int rows) {
    return filled(2 * Math.max(filled(rows), drafted.largest(step)) + 2);
  }

  private int filled(int rows) {
    return steps.filled().applyAsInt(rows);
  }
}
