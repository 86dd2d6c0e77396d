package io.sailfish.llama.engine;

/**
 * Runs planned steps on a device. Driven by the engine's thread alone; in tests a fake model takes
 * the device's place.
 */
interface StepExecutor extends AutoCloseable {
  /** Logits a row, that is tokens in the vocabulary. */
  int vocabulary();

  /** Whether rows of prompts and of answers are computed by different operators. */
  default boolean separatesPrompts() {
    return false;
  }

  /** Computes the step: copies its blocks first, then all rows. */
  Logits execute(BatchPlan plan);

  /** Frees the device's memory; nothing is executed afterwards. */
  @Override
  void close();

  /** The logits of the plan's logit rows, valid until the next step. */
  interface Logits {
    /** Copies logit row {@code index} (an index into the plan's logitRows) to {@code dst}. */
    void read(int index, float[] dst);

    /**
     * The token with the largest logit of row {@code index}, the lowest id of equals; -1 when a
     * logit is NaN.
     *
     * @param scratch room for a row
     */
    default int greedy(int index, float[] scratch) {
      read(index, scratch);
      return Sampler.argmax(scratch);
    }
  }
}
