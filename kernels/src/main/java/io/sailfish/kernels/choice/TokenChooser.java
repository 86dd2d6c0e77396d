package io.sailfish.kernels.choice;

import java.util.Arrays;

/**
 * Chooses a row's next token: the definition, and what rows of a CPU go through.
 *
 * <ol>
 *   <li>A token that the row's mask excludes has logit -infinity, whatever it was.
 *   <li>Repetition penalty: the logits of tokens seen, each once, are divided by it if positive and
 *       multiplied with it otherwise, in fp32.
 *   <li>A NaN gives {@link #NOT_A_NUMBER}; without a logit above -infinity there is {@link
 *       #NO_TOKEN}.
 *   <li>Greedy, or a largest logit of +infinity: the largest logit, the lowest id of equals.
 *   <li>Otherwise tokens rank by falling logit, equal ones by rising id, and have {@link
 *       TokenWeight}s. Top-k keeps the first k ranks; of these top-p keeps the shortest leading run
 *       whose weights add up to its share of theirs, one at least; of these min-p keeps those of at
 *       least its weight. (The order of transformers' generate().)
 *   <li>One draw: with r a 64-bit number from {@link Philox} at (seed; position, stream) and S the
 *       sum of the kept weights, the first kept token by rising id up to which the weights add up
 *       to more than ⌊r·S / 2^64⌋.
 * </ol>
 *
 * <p>Sums are exact, so nothing depends on their order. Not thread-safe: it has scratch space for
 * one row.
 */
public final class TokenChooser {
  /** A logit is NaN and nothing can be chosen. */
  public static final int NOT_A_NUMBER = -1;

  /** The mask, or the logits themselves, leave no token to choose. */
  public static final int NO_TOKEN = -2;

  /** A token has been seen by the current row if its stamp is the row's. */
  private final int[] seen;

  private int stamp;
  private final long[] weights;
  private final Ranking ranking;

  public TokenChooser(int vocabulary) {
    this.seen = new int[vocabulary];
    this.weights = new long[vocabulary];
    this.ranking = new Ranking(vocabulary);
  }

  /**
   * @param logits of the newest token, {@code [vocabulary]}; changed by mask and penalty
   * @param tokens all tokens so far, the first {@code length} of them; their number is the position
   *     of the choice
   * @param mask bit i % 32 of word i / 32 says that token i may be chosen; null = all may
   * @return the token, {@link #NOT_A_NUMBER} or {@link #NO_TOKEN}
   */
  public int choose(float[] logits, TokenChoice how, int[] tokens, int length, int[] mask) {
    if (mask != null) {
      exclude(logits, mask);
    }
    if (how.repetitionPenalty() != 1f) {
      penalize(logits, tokens, length, how.repetitionPenalty());
    }
    int best = best(logits);
    if (best < 0 || how.greedy() || logits[best] == Float.POSITIVE_INFINITY) {
      return best;
    }
    long random = Philox.bits(how.seed(), length, how.stream());
    Row row = new Row(logits, logits[best], how);
    boolean limited = how.topK() > 0 && how.topK() < logits.length;
    if (!limited && how.topP() == 0) {
      return drawAny(row, random);
    }
    ranking.reset(logits);
    return drawRanked(row, random);
  }

  /** Index of the largest value, the lowest one of equals, or why there is none. */
  public static int best(float[] values) {
    // Two plain passes that the compiler vectorizes; Math.max hands a NaN on.
    float max = Float.NEGATIVE_INFINITY;
    for (float value : values) {
      max = Math.max(max, value);
    }
    if (max == Float.NEGATIVE_INFINITY) {
      return NO_TOKEN;
    }
    for (int i = 0; i < values.length; i++) {
      if (values[i] == max) {
        return i;
      }
    }
    return NOT_A_NUMBER;
  }

  private record Row(float[] logits, float best, TokenChoice how) {
    long weight(int token) {
      return TokenWeight.of(logits[token], best, how.scale());
    }

    /** The weight as far as min-p keeps it. */
    long kept(int token) {
      long weight = weight(token);
      return weight >= how.minWeight() ? weight : 0;
    }
  }

  private static void exclude(float[] logits, int[] mask) {
    for (int i = 0; i < logits.length; i++) {
      if ((mask[i >> 5] >>> i & 1) == 0) {
        logits[i] = Float.NEGATIVE_INFINITY;
      }
    }
  }

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

  private int drawAny(Row row, long random) {
    long sum = 0;
    for (int i = 0; i < weights.length; i++) {
      weights[i] = row.kept(i);
      sum += weights[i];
    }
    long left = share(random, sum);
    int token = 0;
    while (weights[token] <= left) {
      left -= weights[token++];
    }
    return token;
  }

  private int drawRanked(Row row, long random) {
    int[] kept = leading(row);
    Arrays.sort(kept);
    long sum = 0;
    for (int i = 0; i < kept.length; i++) {
      weights[i] = row.kept(kept[i]);
      sum += weights[i];
    }
    long left = share(random, sum);
    int at = 0;
    while (weights[at] <= left) {
      left -= weights[at++];
    }
    return kept[at];
  }

  /** The tokens that top-k and top-p keep. */
  private int[] leading(Row row) {
    int vocabulary = row.logits().length;
    int topK = row.how().topK();
    int limit = topK > 0 ? Math.min(topK, vocabulary) : vocabulary;
    if (row.how().topP() == 0) {
      return ranks(limit);
    }
    long total = 0;
    for (int i = 0; i < limit; i++) {
      total += row.weight(limit == vocabulary ? i : ranking.token(i));
    }
    long enough = Math.max(1, share((long) row.how().topP() << 32, total));
    int count = 0;
    for (long sum = 0; sum < enough; count++) {
      sum += row.weight(ranking.token(count));
    }
    return ranks(count);
  }

  private int[] ranks(int count) {
    int[] tokens = new int[count];
    for (int i = 0; i < count; i++) {
      tokens[i] = ranking.token(i);
    }
    return tokens;
  }

  /** ⌊fraction · sum / 2^64⌋ with an unsigned fraction. */
  private static long share(long fraction, long sum) {
    return Math.multiplyHigh(fraction, sum) + (fraction >> 63 & sum);
  }
}
