package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/** The upper half of a binary32, 2 bytes a weight, little endian; rounded to nearest even. */
final class BF16 implements Codec {
  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int i = 0; i < count; i++) {
      dst[dstOffset + i] = Float.intBitsToFloat(HalfFloat.bits(src, srcOffset + 2 * i) << 16);
    }
  }

  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int i = 0; i < count; i++) {
      HalfFloat.put(dst, dstOffset + 2 * i, round(Float.floatToRawIntBits(src[srcOffset + i])));
    }
  }

  private static int round(int bits) {
    if ((bits & 0x7FFFFFFF) > 0x7F800000) {
      return bits >>> 16 | 64; // keeps a NaN a (quiet) NaN
    }
    return bits + (0x7FFF + (bits >>> 16 & 1)) >>> 16;
  }
}
