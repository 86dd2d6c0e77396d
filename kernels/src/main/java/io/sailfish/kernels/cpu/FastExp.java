package io.sailfish.kernels.cpu;

/**
 * e^x in fp32 by operations that IEEE 754 fixes (fused multiply-add, add, integer shift), so that
 * plain and vector code agree to the bit, which the JVM's own exponentials do not promise. Range
 * reduction and polynomial as in the Cephes library's expf (S. Moshier), error below 2 ulp.
 */
final class FastExp {
  /** Arguments are clamped to these: the result stays a normal float. */
  static final float LOWEST = -87f;

  static final float HIGHEST = 88f;
  static final float LOG2_E = 1.44269504088896341f;
  static final float LN2_HIGH = 0.693359375f;
  static final float LN2_LOW = -2.12194440e-4f;

  /** 1.5 · 2^23: adding it rounds to a whole number, which then stands in the lowest bits. */
  static final float ROUNDER = 12582912f;

  static final float C5 = 1.9875691500E-4f;
  static final float C4 = 1.3981999507E-3f;
  static final float C3 = 8.3334519073E-3f;
  static final float C2 = 4.1665795894E-2f;
  static final float C1 = 1.6666665459E-1f;
  static final float C0 = 5.0000001201E-1f;

  private FastExp() {}

  static float exp(float x) {
    float a = Math.min(Math.max(x, LOWEST), HIGHEST);
    float shifted = Math.fma(a, LOG2_E, ROUNDER);
    float n = shifted - ROUNDER;
    float r = Math.fma(n, -LN2_HIGH, a);
    r = Math.fma(n, -LN2_LOW, r);
    float p = Math.fma(C5, r, C4);
    p = Math.fma(p, r, C3);
    p = Math.fma(p, r, C2);
    p = Math.fma(p, r, C1);
    p = Math.fma(p, r, C0);
    float e = Math.fma(p, r * r, r + 1);
    int power = Float.floatToRawIntBits(shifted) << 23;
    return Float.intBitsToFloat(Float.floatToRawIntBits(e) + power);
  }

  static float silu(float x) {
    return x / (1 + exp(-x));
  }
}
