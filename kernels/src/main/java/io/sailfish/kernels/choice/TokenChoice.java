package io.sailfish.kernels.choice;

/**
 * How a row's next token is chosen, in the numbers that every backend computes with.
 *
 * @param scale log2(e) / temperature, the factor from a distance of logits to one of base-2
 *     logarithms of weights; 0 = greedy
 * @param repetitionPenalty what the logits of tokens seen are divided by, or multiplied with if
 *     negative; 1 = off
 * @param topK how many of the largest logits are kept; 0 = off
 * @param topP share of their weight that the largest are kept up to, in units of 2^-32; 0 = off
 * @param minWeight least {@link TokenWeight} of a token that is kept; 0 = off
 * @param seed key of the draw
 * @param stream with the row's position the counter of the draw
 */
public record TokenChoice(
    float scale,
    float repetitionPenalty,
    int topK,
    int topP,
    long minWeight,
    long seed,
    long stream) {
  /** Integers that {@link #pack} writes. All of them zero is a greedy choice without a mask. */
  public static final int PACKED = 12;

  public static final TokenChoice GREEDY = new TokenChoice(0f, 1f, 0, 0, 0, 0, 0);

  private static final double LOG2_E = 1.4426950408889634;
  private static final double TWO_32 = 0x1p32;

  /**
   * @param temperature 0 = greedy, else &gt; 0
   * @param topK 0 = off
   * @param topP 1 = off; in (0, 1]
   * @param minP share of the largest probability that a kept token has at least; 0 = off; in [0, 1)
   * @param repetitionPenalty 1 = off; &gt; 0
   */
  public static TokenChoice of(
      float temperature,
      int topK,
      float topP,
      float minP,
      float repetitionPenalty,
      long seed,
      long stream) {
    if (temperature == 0f) {
      return new TokenChoice(0f, repetitionPenalty, 0, 0, 0, 0, 0);
    }
    // Of a tiny temperature the largest factor: it keeps the largest logit alone as well.
    float scale = (float) Math.min(Float.MAX_VALUE, LOG2_E / temperature);
    long share = topP >= 1f ? 0 : Math.max(1, Math.min((1L << 32) - 1, (long) (topP * TWO_32)));
    long least = (long) Math.ceil(minP * (double) TokenWeight.ONE);
    return new TokenChoice(scale, repetitionPenalty, topK, (int) share, least, seed, stream);
  }

  /** Whether the token with the largest logit is taken. */
  public boolean greedy() {
    return scale == 0f;
  }

  /** Whether nothing but the logits themselves decides. */
  public boolean plain() {
    return greedy() && repetitionPenalty == 1f;
  }

  /**
   * As the card reads it: {@code scale, penalty, topK, topP, minWeight, seed, stream} (64-bit ones
   * with the low half first), the number of the row's mask plus one, and an unused word.
   *
   * @param mask number of the row's mask, -1 for none
   */
  public void pack(int mask, int[] dst, int offset) {
    dst[offset] = Float.floatToRawIntBits(scale);
    dst[offset + 1] = repetitionPenalty == 1f ? 0 : Float.floatToRawIntBits(repetitionPenalty);
    dst[offset + 2] = topK;
    dst[offset + 3] = topP;
    pack(minWeight, dst, offset + 4);
    pack(seed, dst, offset + 6);
    pack(stream, dst, offset + 8);
    dst[offset + 10] = mask + 1;
    dst[offset + 11] = 0;
  }

  private static void pack(long value, int[] dst, int offset) {
    dst[offset] = (int) value;
    dst[offset + 1] = (int) (value >>> 32);
  }
}
