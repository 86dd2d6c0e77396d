package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 24 bytes, weight = d · q + m, q in 0..31:
 *
 * <pre>
 * byte 0      2      4            8                              24
 *      | d    | m    | fifth bits | q0 | q16<<4 | ... q15 | q31<<4 |
 *      | f16  | f16  | bit i: i   | the low four bits of each      |
 * </pre>
 */
final class Q5_1 implements Codec {
  private static final int LENGTH = FiveBits.COUNT;
  private static final int BYTES = 24;
  private static final int CODES = 4;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at);
      float m = HalfFloat.read(src, at + 2);
      int fifth = FiveBits.fifth(src, at + CODES);
      for (int i = 0; i < LENGTH; i++) {
        int code = FiveBits.code(src, at + CODES, fifth, i);
        dst[dstOffset + block * LENGTH + i] = d * code + m;
      }
    }
  }

  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int block = 0; block < count / LENGTH; block++) {
      encodeBlock(src, srcOffset + block * LENGTH, dst, dstOffset + block * BYTES);
    }
  }

  private static void encodeBlock(float[] src, int from, ByteBuffer dst, int at) {
    float low = src[from];
    float high = src[from];
    for (int i = 1; i < LENGTH; i++) {
      low = Math.min(low, src[from + i]);
      high = Math.max(high, src[from + i]);
    }
    float d = (high - low) / 31;
    float inverse = d == 0 ? 0 : 1 / d;
    HalfFloat.put(dst, at, HalfFloat.fromFloat(d));
    HalfFloat.put(dst, at + 2, HalfFloat.fromFloat(low));
    int[] codes = new int[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      codes[i] = code((src[from + i] - low) * inverse);
    }
    FiveBits.put(codes, dst, at + CODES);
  }

  private static int code(float scaled) {
    return Math.min(31, (int) (scaled + 0.5f));
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset) && HalfFloat.isFinite(src, offset + 2);
  }
}
