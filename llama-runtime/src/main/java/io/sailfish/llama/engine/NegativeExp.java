package io.sailfish.llama.engine;

/**
 * e^x for x &le; 0 in plain double arithmetic: the same bits on every JVM and processor, which
 * {@link Math#exp} does not promise, at a fraction of {@link StrictMath#exp}'s time; a vocabulary
 * of them is needed for each sampled or scored token.
 *
 * <p>x = n·ln2 + r with |r| &le; ln2/2, e^r by its Taylor series to r^13 (the rest is below 2^-53),
 * times 2^n by exponent bits. Within 4e-16 relative; below e^-708 it is 0.
 */
final class NegativeExp {
  private static final double LOWEST = -708;
  private static final double LOG2_E = 1.4426950408889634;

  /** ln2 in two parts, so that n times the first is exact (Cody and Waite). */
  private static final double LN2_HIGH = 0x1.62e42feep-1;

  private static final double LN2_LOW = 0x1.a39ef35793c76p-33;

  /** Adding and subtracting it rounds to an integer. */
  private static final double ROUND = 0x1.8p52;

  private NegativeExp() {}

  static double exp(double x) {
    if (!(x >= LOWEST)) {
      return x < LOWEST ? 0 : x;
    }
    double shifted = x * LOG2_E + ROUND;
    double n = shifted - ROUND;
    double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double r2 = r * r;
    double r4 = r2 * r2;
    double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
    double highest = 1.0 / 479001600 + r * (1.0 / 6227020800.0);
    double power = low + r4 * (middle + r4 * (high + r4 * highest));
    // The low bits of the shifted value are n itself.
    return power * Double.longBitsToDouble((Double.doubleToRawLongBits(shifted) + 1023) << 52);
  }
}
