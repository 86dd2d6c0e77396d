package io.sailfish.llama.evaluate;

/** Softmax of a row of logits, in double. */
final class Distribution {
  private final float[] logits;
  private final int offset;
  private final int count;
  private final int best;
  private final double logSum;

  Distribution(float[] logits, int offset, int count) {
    this.logits = logits;
    this.offset = offset;
    this.count = count;
    int largest = 0;
    for (int i = 1; i < count; i++) {
      largest = logits[offset + i] > logits[offset + largest] ? i : largest;
    }
    this.best = largest;
    double sum = 0;
    float top = logits[offset + largest];
    for (int i = 0; i < count; i++) {
      sum += Math.exp((double) logits[offset + i] - top);
    }
    this.logSum = top + Math.log(sum);
  }

  /** Natural logarithm of a token's probability. */
  double logProb(int token) {
    return logits[offset + token] - logSum;
  }

  /** The most likely token, the lowest id of equals. */
  int best() {
    return best;
  }

  /** KL(this ‖ other) in nats. */
  double divergence(Distribution other) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      double own = logProb(i);
      sum += Math.exp(own) * (own - other.logProb(i));
    }
    return sum;
  }
}
