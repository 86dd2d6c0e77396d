package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 22 bytes, weight = d · (q - 16), q in 0..31:
 *
 * <pre>
 * byte 0      2           6                              22
 *      | d    | fifth bits | q0 | q16<<4 | ... q15 | q31<<4 |
 *      | f16  | bit i: i   | the low four bits of each      |
 * </pre>
 */
final class Q5_0 implements Codec {
  private static final int LENGTH = FiveBits.COUNT;
  private static final int BYTES = 22;
  private static final int CODES = 2;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at);
      int fifth = FiveBits.fifth(src, at + CODES);
      for (int i = 0; i < LENGTH; i++) {
        int code = FiveBits.code(src, at + CODES, fifth, i);
        dst[dstOffset + block * LENGTH + i] = d * (code - 16);
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
    float extreme = 0; // the weight furthest from zero, with its sign, becomes code 0
    for (int i = 0; i < LENGTH; i++) {
      if (Math.abs(src[from + i]) > Math.abs(extreme)) {
        extreme = src[from + i];
      }
    }
    float d = extreme / -16;
    float inverse = d == 0 ? 0 : 1 / d;
    HalfFloat.put(dst, at, HalfFloat.fromFloat(d));
    int[] codes = new int[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      codes[i] = code(src[from + i] * inverse);
    }
    FiveBits.put(codes, dst, at + CODES);
  }

  private static int code(float scaled) {
    return Math.min(31, (int) (scaled + 16.5f));
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset);
  }
}
