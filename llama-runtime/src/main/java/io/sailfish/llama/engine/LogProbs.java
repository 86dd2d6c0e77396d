package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenWeight;

/**
 * Natural-log probabilities of one row of logits: log-softmax in double, summed in id order; or of
 * what a device makes of it.
 */
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

  /**
   * A token's log-probability from the four integers of {@link
   * io.sailfish.kernels.Backend#logProbTerms}; NaN where the logits are no numbers.
   */
  static double ofTerm(int logit, int best, int low, int high) {
    long sum = (long) high << 32 | low & 0xFFFFFFFFL;
    return sum < 0
        ? Double.NaN
        : TokenWeight.logProbability(Float.intBitsToFloat(logit), Float.intBitsToFloat(best), sum);
  }
}
