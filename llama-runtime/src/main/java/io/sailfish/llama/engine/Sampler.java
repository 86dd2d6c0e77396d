package io.sailfish.llama.engine;

/**
 * Logits to the next token. The choice depends on the logits, the parameters, the prompt's tokens
 * and the position alone.
 *
 * <p>Order of the steps as in transformers' generate(): repetition penalty, temperature, top-k,
 * top-p, min-p, then one draw from what is left. Equal logits rank by token id, the lower first;
 * top-k keeps exactly k. Probabilities are doubles, summed in a fixed order.
 *
 * <p>Not thread-safe: it has scratch space for one row.
 */
final class Sampler {
  /** A token has been seen by the current row if its stamp is the row's. */
  private final int[] seen;

  private int stamp;
  private final double[] weights;
  private final Ranking ranking;

  Sampler(int vocabulary) {
    this.seen = new int[vocabulary];
    this.weights = new double[vocabulary];
    this.ranking = new Ranking(vocabulary);
  }

  /**
   * @param logits of the last token, {@code [vocabulary]}; changed by the repetition penalty
   * @param tokens prompt and answer so far, the first {@code length} of them
   * @param promptHash {@link #hash} of the prompt
   * @return the token, or -1 when a logit is NaN and nothing can be chosen
   */
  int sample(float[] logits, SamplingParams params, int[] tokens, int length, long promptHash) {
    if (params.repetitionPenalty() != 1f) {
      penalize(logits, tokens, length, params.repetitionPenalty());
    }
    int best = argmax(logits);
    if (best < 0 || params.temperature() == 0f) {
      return best;
    }
    double u = Philox.uniform(params.seed(), length, promptHash);
    boolean filtered = params.topK() > 0 || params.topP() < 1f || params.minP() > 0f;
    return filtered ? drawRanked(logits, best, params, u) : drawAny(logits, best, params, u);
  }

  /** Whether more than the largest logit decides. */
  static boolean needsLogits(SamplingParams params) {
    return params.temperature() != 0f || params.repetitionPenalty() != 1f;
  }

  /** 64-bit FNV-1a over whole ids. */
  static long hash(int[] tokens) {
    long hash = 0xCBF29CE484222325L;
    for (int token : tokens) {
      hash = (hash ^ token) * 0x100000001B3L;
    }
    return hash;
  }

  /** Index of the largest value, the lowest one of equals; -1 when there is a NaN. */
  static int argmax(float[] values) {
    // Two plain passes that the compiler vectorizes; Math.max hands a NaN on.
    float max = Float.NEGATIVE_INFINITY;
    for (float value : values) {
      max = Math.max(max, value);
    }
    for (int i = 0; i < values.length; i++) {
      if (values[i] == max) {
        return i;
      }
    }
    return -1;
  }

  /** HF's rule: a seen token's logit is divided by the penalty if positive, else multiplied. */
  private void penalize(float[] logits, int[] tokens, int length, float penalty) {
    stamp++;
    for (int i = 0; i < length; i++) {
      int token = tokens[i];
      if (seen[token] != stamp) {
        seen[token] = stamp;
        float logit = logits[token];
        logits[token] = logit > 0 ? logit / penalty : logit * penalty;
      }
    }
  }

  private int drawAny(float[] logits, int best, SamplingParams params, double u) {
    double total = 0;
    for (int i = 0; i < logits.length; i++) {
      weights[i] = weight(logits[i], logits[best], params.temperature());
      total += weights[i];
    }
    double left = u * total;
    for (int i = 0; i < logits.length; i++) {
      left -= weights[i];
      if (left < 0) {
        return i;
      }
    }
    return best;
  }

  private int drawRanked(float[] logits, int best, SamplingParams params, double u) {
    ranking.reset(logits);
    int limit = params.topK() > 0 ? Math.min(params.topK(), logits.length) : logits.length;
    double enough = Double.POSITIVE_INFINITY;
    if (params.topP() < 1f) {
      enough = params.topP() * mass(logits, best, params, limit);
    }
    double sum = 0;
    int kept = 0;
    // Top-p keeps the shortest leading run whose mass reaches p, at least one token.
    while (kept < limit && (kept == 0 || sum < enough)) {
      double weight = weight(logits[ranking.token(kept)], logits[best], params.temperature());
      // The best token weighs 1, so min-p compares weights; they only fall from here on.
      if (weight < params.minP()) {
        break;
      }
      weights[kept++] = weight;
      sum += weight;
    }
    double left = u * sum;
    for (int i = 0; i < kept; i++) {
      left -= weights[i];
      if (left < 0) {
        return ranking.token(i);
      }
    }
    return best;
  }

  /** Sum of the weights of the {@code limit} first ranks: what top-p is a share of. */
  private double mass(float[] logits, int best, SamplingParams params, int limit) {
    double total = 0;
    for (int i = 0; i < limit; i++) {
      int token = limit == logits.length ? i : ranking.token(i);
      total += weight(logits[token], logits[best], params.temperature());
    }
    return total;
  }

  private static double weight(float logit, float best, float temperature) {
    return NegativeExp.exp(((double) logit - best) / temperature);
  }
}
