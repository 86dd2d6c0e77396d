package io.sailfish.llama.engine;

/** Natural-log probabilities of one row of logits: log-softmax in double, summed in id order. */
final class LogProbs {
  private LogProbs() {}

  /**
   * log(sum(exp(logits))). The probability of a token is its logit less this. NaN when a logit is
   * NaN or all are -infinity.
   */
  static double logSumExp(float[] logits) {
    float max = Float.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += NegativeExp.exp((double) logit - max);
    }
    return max + StrictMath.log(sum);
  }
}
