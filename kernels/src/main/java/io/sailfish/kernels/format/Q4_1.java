package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 20 bytes, weight = d · q + m, q in 0..15:
 *
 * <pre>
 * byte 0      2      4                                     20
 *      | d    | m    | q0 | q16<<4 | q1 | q17<<4 | ... q15 | q31<<4 |
 *      | f16  | f16  | low nibbles: weights 0-15, high: 16-31       |
 * </pre>
 */
final class Q4_1 implements Codec {
  private static final int LENGTH = 32;
  private static final int BYTES = 20;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      int to = dstOffset + block * LENGTH;
      float d = HalfFloat.read(src, at);
      float m = HalfFloat.read(src, at + 2);
      for (int i = 0; i < LENGTH / 2; i++) {
        int pair = src.get(at + 4 + i);
        dst[to + i] = d * (pair & 15) + m;
        dst[to + LENGTH / 2 + i] = d * (pair >>> 4 & 15) + m;
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
    float d = (high - low) / 15;
    float inverse = d == 0 ? 0 : 1 / d;
    HalfFloat.put(dst, at, HalfFloat.fromFloat(d));
    HalfFloat.put(dst, at + 2, HalfFloat.fromFloat(low));
    for (int i = 0; i < LENGTH / 2; i++) {
      int first = code((src[from + i] - low) * inverse);
      int second = code((src[from + LENGTH / 2 + i] - low) * inverse);
      dst.put(at + 4 + i, (byte) (first | second << 4));
    }
  }

  private static int code(float scaled) {
    return Math.min(15, (int) (scaled + 0.5f));
  }
}
