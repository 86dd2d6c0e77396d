package io.sailfish.llama.engine;

/**
 * What an engine has done since it started. Times are of the engine's thread.
 *
 * @param steps forward steps
 * @param stepSequences sequences in them, summed; with {@code steps} the mean batch
 * @param stepRows rows in them, summed: one a decoding sequence, several a prompt
 * @param promptTokens prompt tokens of the rows that have started
 * @param reusedTokens those of them whose keys and values were there already
 * @param outputTokens tokens chosen
 * @param draftedTokens tokens computed because they were guessed to be chosen next
 * @param acceptedTokens those of them that were chosen
 * @param scoredTokens continuation tokens scored
 * @param finishedRows rows that ended with a result
 * @param failedRows rows that ended with an error
 * @param cancelledRows requests cancelled before they had an answer
 * @param sharedRows requests answered by an equal one in flight
 * @param preemptions times a running row was put back because the KV cache was full
 * @param waitNanos time from submission to the first step, summed over rows
 * @param prefillNanos forward time, the share of rows of prompts and continuations
 * @param decodeNanos forward time, the share of decoding rows
 * @param samplingNanos choosing and scoring tokens, finding stop strings
 * @param planNanos scheduling
 * @param queueNanos handing steps to the device, which computes meanwhile if it runs ahead
 * @param awaitNanos waiting for the device: while this grows it is the device that takes the time
 * @param idleNanos waiting for work
 */
public record EngineMetrics(
    long steps,
    long stepSequences,
    long stepRows,
    long promptTokens,
    long reusedTokens,
    long outputTokens,
    long draftedTokens,
    long acceptedTokens,
    long scoredTokens,
    long finishedRows,
    long failedRows,
    long cancelledRows,
    long sharedRows,
    long preemptions,
    long waitNanos,
    long prefillNanos,
    long decodeNanos,
    long samplingNanos,
    long planNanos,
    long queueNanos,
    long awaitNanos,
    long idleNanos) {

  /** Mean sequences a step. */
  public double batchFill() {
    return steps == 0 ? 0 : (double) stepSequences / steps;
  }
}
