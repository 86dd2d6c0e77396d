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
    boolean settleAtOnce) {}
