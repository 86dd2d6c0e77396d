package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 18 bytes, weight = d · (q - 8), q in 0..15:
 *
 * <pre>
 * byte 0      2                                     18
 *      | d    | q0 | q16<<4 | q1 | q17<<4 | ... q15 | q31<<4 |
 *      | f16  | low nibbles: weights 0-15, high: 16-31       |
 * </pre>
 */
final class Q4_0 implements Codec {
  private static final int LENGTH = 32;
  private static final int BYTES = 18;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      int to = dstOffset + block * LENGTH;
      float d = HalfFloat.read(src, at);
      for (int i = 0; i < LENGTH / 2; i++) {
        int pair = src.get(at + 2 + i);
        dst[to + i] = d * ((pair & 15) - 8);
        dst[to + LENGTH / 2 + i] = d * ((pair >>> 4 & 15) - 8);
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
    float d = extreme / -8;
    float inverse = d == 0 ? 0 : 1 / d;
    HalfFloat.put(dst, at, HalfFloat.fromFloat(d));
    for (int i = 0; i < LENGTH / 2; i++) {
      int low = code(src[from + i] * inverse);
      int high = code(src[from + LENGTH / 2 + i] * inverse);
      dst.put(at + 2 + i, (byte) (low | high << 4));
    }
  }

  private static int code(float scaled) {
    return Math.min(15, (int) (scaled + 8.5f));
  }
}
