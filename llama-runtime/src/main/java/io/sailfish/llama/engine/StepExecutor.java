package io.sailfish.llama.engine;

/**
 * Runs planned steps on a device. Driven by the engine's thread alone; in tests a fake model takes
 * the device's place.
 */
interface StepExecutor extends AutoCloseable {
  /** Logits a row, that is tokens in the vocabulary. */
  int vocabulary();

  /** Tokens of the largest vocabulary that it samples from, penalizes or scores. */
  default int mostWeighed() {
    return Integer.MAX_VALUE;
  }

  /** Whether rows of prompts and of answers are computed by different operators. */
  default boolean separatesPrompts() {
    return false;
  }

  /**
   * Whether {@link #execute} only queues a step, and the next one may be queued before this one's
   * tokens are known: its plan then names their {@link Logits#source}. Such an executor {@link
   * #separatesPrompts}, since tokens that nobody knows cannot be found as a prefix, and chooses
   * tokens and makes log-probabilities itself, since by then the logits are gone.
   */
  default boolean runsAhead() {
    return false;
  }

  /** Rows that a step of so many decoding rows is filled up to: it takes as long as those. */
  default int filledRows(int rows) {
    return rows;
  }

  /** Largest finite activation; what leaves it makes a row's logits NaN. */
  default float largestActivation() {
    return Float.MAX_VALUE;
  }

  /** Computes the step: copies its blocks first, then all rows. */
  Logits execute(BatchPlan plan);

  /**
   * Time that a step of decoding rows alone cannot beat: weights, keys and values read once at the
   * memory's full speed. 0 where that is not known.
   */
  default long floorNanos(BatchPlan plan) {
    return 0;
  }

  /** Frees the device's memory; nothing is executed afterwards. */
  @Override
  void close();

  /**
   * The logits of the plan's logit rows. They can be read until the next step is queued, tokens
   * until the next but one is.
   */
  interface Logits {
    /** Waits until the step is done. */
    default void await() {}

    /** How the next step's plan names the token of row {@code index}. */
    default int source(int index) {
      return index;
    }

    /** Copies logit row {@code index} (an index into the plan's logitRows) to {@code dst}. */
    void read(int index, float[] dst);

    /**
     * Whether the device chose the token of row {@code index}; otherwise the host does from the
     * logits.
     */
    default boolean hasToken(int index) {
      return false;
    }

    /** The token that the device chose for row {@code index}, or why there is none. */
    default int token(int index) {
      throw new UnsupportedOperationException("tokens are chosen on the host");
    }

    /**
     * Whether the device has made the log-probabilities of what the plan scores; otherwise the host
     * does from the logits.
     */
    default boolean hasLogProbs() {
      return false;
    }

    /**
     * The natural-log probability of the {@code index}-th token that the plan's parts score, in
     * their order ({@link BatchPlan.Part#scored}); NaN where its row's logits are no numbers.
     */
    default double logProb(int index) {
      throw new UnsupportedOperationException("tokens are scored on the host");
    }
  }
}
