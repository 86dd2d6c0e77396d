package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 34 bytes, weight = d · q:
 *
 * <pre>
 * byte 0      2                              34
 *      | d    | q0 | q1 | ...          | q31 |
 *      | f16  | signed bytes                 |
 * </pre>
 */
final class Q8_0 implements Codec {
  private static final int LENGTH = 32;
  private static final int BYTES = 34;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at);
      for (int i = 0; i < LENGTH; i++) {
        dst[dstOffset + block * LENGTH + i] = d * src.get(at + 2 + i);
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
    float largest = 0;
    for (int i = 0; i < LENGTH; i++) {
      largest = Math.max(largest, Math.abs(src[from + i]));
    }
    float d = largest / 127;
    float inverse = d == 0 ? 0 : 1 / d;
    HalfFloat.put(dst, at, HalfFloat.fromFloat(d));
    for (int i = 0; i < LENGTH; i++) {
      dst.put(at + 2 + i, (byte) roundAwayFromZero(src[from + i] * inverse));
    }
  }

  /** C's roundf. */
  private static int roundAwayFromZero(float value) {
    int magnitude = (int) (Math.abs((double) value) + 0.5);
    return value < 0 ? -magnitude : magnitude;
  }
}
