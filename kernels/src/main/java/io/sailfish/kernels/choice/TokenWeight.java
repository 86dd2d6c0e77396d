package io.sailfish.kernels.choice;

/**
 * A token's probability but for the sum: 2^(distance to the largest logit · scale), an integer in
 * units of 2^-39. Integers add up to the same sum in any order, so a card's thousands of threads
 * and a loop have the same total and draw the same token. A vocabulary of 2^18 tokens has a sum
 * below 2^58.
 *
 * <p>The power is computed in fp32 with every rounding and every fused multiply-add spelt out, the
 * same here and in {@code choose_tokens_sm90.cu}: 2^x = 2^n · 2^f with n the nearest integer and
 * 2^f by a polynomial (degree 6, exact at 0, within 8e-8), rounded down to the unit.
 */
public final class TokenWeight {
  /** The weight of the largest logit. */
  public static final long ONE = 1L << 39;

  /** Largest vocabulary whose ranks and sums the words of a card's kernels hold. */
  public static final int MOST_TOKENS = 1 << 18;

  /** Base-2 logarithms are not looked at below this, where the weight is 0. */
  private static final float LOWEST = -44f;

  /** Adding and subtracting it rounds to an integer. */
  private static final float ROUND = 0x1.8p23f;

  private static final float C1 = 0x1.62e43p-1f;
  private static final float C2 = 0x1.ebfbep-3f;
  private static final float C3 = 0x1.c6af6cp-5f;
  private static final float C4 = 0x1.3b2a1cp-7f;
  private static final float C5 = 0x1.5f0896p-10f;
  private static final float C6 = 0x1.444004p-13f;

  private static final int MANTISSA_BITS = 23;
  private static final int BIAS = 127;
  private static final float LOG2_E = 0x1.715476p+0f;
  private static final double LN_2 = 0.6931471805599453;

  private TokenWeight() {}

  /**
   * @param logit not NaN
   * @param best the largest logit of the row, finite
   */
  static long of(float logit, float best, float scale) {
    float x = (logit - best) * scale;
    return power(x < LOWEST ? LOWEST : x);
  }

  /** 2^x in units of 2^-39 for x in [-44, 0]. */
  static long power(float x) {
    float shifted = x + ROUND;
    float f = x - (shifted - ROUND);
    float p = Math.fma(C6, f, C5);
    p = Math.fma(p, f, C4);
    p = Math.fma(p, f, C3);
    p = Math.fma(p, f, C2);
    p = Math.fma(p, f, C1);
    p = Math.fma(p, f, 1f);
    // The low bits of the shifted value are n, which the exponent takes.
    int bits = Float.floatToRawIntBits(p) + (Float.floatToRawIntBits(shifted) << MANTISSA_BITS);
    long mantissa = bits & (1 << MANTISSA_BITS) - 1 | 1 << MANTISSA_BITS;
    return mantissa << 39 - MANTISSA_BITS >>> BIAS - (bits >>> MANTISSA_BITS);
  }

  /**
   * Sum of a row's weights at temperature 1.
   *
   * @param best the largest logit, finite
   */
  public static long sum(float[] logits, float best) {
    long sum = 0;
    for (float logit : logits) {
      sum += of(logit, best, LOG2_E);
    }
    return sum;
  }

  /**
   * Natural-log probability of a token whose row's weights at temperature 1 add up to {@code sum}.
   */
  public static double logProbability(float logit, float best, long sum) {
    return (double) logit - best - (StrictMath.log(sum) - 39 * LN_2);
  }
}
