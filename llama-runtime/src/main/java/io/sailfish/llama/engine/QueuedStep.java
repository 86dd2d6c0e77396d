package io.sailfish.llama.engine;

/**
 * A step on its way.
 *
 * @param decoding rows of it that answers go on by
 * @param startNanos when it was queued
 * @param settleAtOnce whether nothing may be queued before its outputs were read
 */
record QueuedStep(
    BatchPlan plan,
    StepExecutor.Logits output,
    int decoding,
    long startNanos,
    boolean settleAtOnce) {
  /** What it took of the device. */
  StepUse use(long nanos, StepExecutor executor, double kvUse) {
    long floor = decoding == plan.rows() ? executor.floorNanos(plan) : 0;
    return new StepUse(plan.rows(), decoding, nanos, floor, kvUse);
  }
}
