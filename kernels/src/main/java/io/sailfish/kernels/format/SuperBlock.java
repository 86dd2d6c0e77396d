package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * What ggml's k-quants share: 256 weights with one or two binary16 scales, cut into sub-blocks that
 * have small integer scales of their own.
 */
final class SuperBlock {
  static final int LENGTH = 256;

  private SuperBlock() {}

  /** Scale and minimum (≥ 0) of each sub-block: w ≈ scale · q - minimum, q in 0..codes-1. */
  static void fitRange(float[] src, int from, int sub, int codes, float[] scales, float[] minima) {
    for (int j = 0; j < scales.length; j++) {
      float low = 0;
      float high = 0;
      for (int i = 0; i < sub; i++) {
        low = Math.min(low, src[from + j * sub + i]);
        high = Math.max(high, src[from + j * sub + i]);
      }
      scales[j] = (high - low) / (codes - 1);
      minima[j] = -low;
    }
  }

  /**
   * Signed scale of each sub-block so that the weight furthest from zero gets the code {@code
   * -codes / 2}: w ≈ scale · q, q in -codes/2..codes/2-1.
   */
  static void fitExtreme(float[] src, int from, int sub, int codes, float[] scales) {
    for (int j = 0; j < scales.length; j++) {
      float extreme = 0;
      for (int i = 0; i < sub; i++) {
        float value = src[from + j * sub + i];
        extreme = Math.abs(value) > Math.abs(extreme) ? value : extreme;
      }
      scales[j] = extreme / (-codes / 2);
    }
  }

  /** Writes the half by which integers up to {@code most} give the largest of the scales. */
  static float putLargest(float[] scales, int most, ByteBuffer dst, int at) {
    float largest = 0;
    for (float scale : scales) {
      largest = Math.max(largest, Math.abs(scale));
    }
    int half = HalfFloat.fromFloat(largest / most);
    HalfFloat.put(dst, at, half);
    return HalfFloat.toFloat(half);
  }

  /** The integer in [low, high] nearest to {@code value / unit}. */
  static int nearest(float value, float unit, int low, int high) {
    return unit == 0 ? Math.max(0, low) : Math.max(low, Math.min(high, Math.round(value / unit)));
  }

  /** Scale j of the eight 6-bit pairs in the 12 bytes at {@code at}; see {@link Q4_K}. */
  static int scale(ByteBuffer src, int at, int j) {
    return j < 4
        ? src.get(at + j) & 63
        : src.get(at + 4 + j) & 15 | (src.get(at + j - 4) & 0xC0) >>> 2;
  }

  /** Minimum j of the eight 6-bit pairs. */
  static int minimum(ByteBuffer src, int at, int j) {
    return j < 4
        ? src.get(at + 4 + j) & 63
        : src.get(at + 4 + j) >>> 4 & 15 | (src.get(at + j) & 0xC0) >>> 2;
  }

  /**
   * Scales and minima of the 32 weights each that {@link Q4_K} and {@link Q5_K} have: w ≈ d ·
   * scales[j] · q - dmin · minima[j].
   *
   * @param codes numbers that q may be
   */
  record Pairs(float d, float dmin, int[] scales, int[] minima, int codes) {
    private static final int SUB = 32;
    private static final int DMIN = 2;
    private static final int PAIRS = 4;

    /** Fits them to a block's weights and writes the 16 bytes that both begin with. */
    static Pairs put(float[] src, int from, int codes, ByteBuffer dst, int at) {
      float[] scales = new float[LENGTH / SUB];
      float[] minima = new float[LENGTH / SUB];
      fitRange(src, from, SUB, codes, scales, minima);
      float d = putLargest(scales, 63, dst, at);
      float dmin = putLargest(minima, 63, dst, at + DMIN);
      int[] s = new int[scales.length];
      int[] m = new int[scales.length];
      for (int j = 0; j < s.length; j++) {
        s[j] = nearest(scales[j], d, 0, 63);
        m[j] = nearest(minima[j], dmin, 0, 63);
      }
      putPairs(s, m, dst, at + PAIRS);
      return new Pairs(d, dmin, s, m, codes);
    }

    private static void putPairs(int[] scales, int[] minima, ByteBuffer dst, int at) {
      for (int j = 0; j < 4; j++) {
        dst.put(at + j, (byte) (scales[j] | scales[j + 4] >> 4 << 6));
        dst.put(at + 4 + j, (byte) (minima[j] | minima[j + 4] >> 4 << 6));
        dst.put(at + 8 + j, (byte) (scales[j + 4] & 15 | (minima[j + 4] & 15) << 4));
      }
    }

    /** Code of weight {@code n} of the block. */
    int code(float weight, int n) {
      int j = n / SUB;
      return nearest(weight + dmin * minima[j], d * scales[j], 0, codes - 1);
    }
  }
}
