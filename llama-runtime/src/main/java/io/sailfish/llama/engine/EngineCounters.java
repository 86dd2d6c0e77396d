package io.sailfish.llama.engine;

/** The engine thread's running sums behind {@link EngineMetrics}. */
final class EngineCounters {
  long steps;
  long stepSequences;
  long stepRows;
  long promptTokens;
  long reusedTokens;
  long outputTokens;
  long draftedTokens;
  long acceptedTokens;
  long scoredTokens;
  long finishedRows;
  long failedRows;
  long cancelledRows;
  long sharedRows;
  long waitNanos;
  long prefillNanos;
  long decodeNanos;
  long samplingNanos;
  long planNanos;
  long queueNanos;
  long awaitNanos;
  long idleNanos;

  /** Rows of a plan that answers go on by, drafted ones included. */
  static int decoding(BatchPlan plan) {
    int decoding = 0;
    for (int part = 0; part < plan.parts().size(); part++) {
      decoding += plan.decodes(part) ? plan.parts().get(part).rows() : 0;
    }
    return decoding;
  }

  /** Notes a step and splits its forward time by rows. */
  void step(BatchPlan plan, int decoding, long forwardNanos) {
    steps++;
    stepSequences += plan.parts().size();
    stepRows += plan.rows();
    long decode = forwardNanos * decoding / plan.rows();
    decodeNanos += decode;
    prefillNanos += forwardNanos - decode;
  }

  EngineMetrics snapshot(long preemptions) {
    return new EngineMetrics(
        steps,
        stepSequences,
        stepRows,
        promptTokens,
        reusedTokens,
        outputTokens,
        draftedTokens,
        acceptedTokens,
        scoredTokens,
        finishedRows,
        failedRows,
        cancelledRows,
        sharedRows,
        preemptions,
        waitNanos,
        prefillNanos,
        decodeNanos,
        samplingNanos,
        planNanos,
        queueNanos,
        awaitNanos,
        idleNanos);
  }
}
