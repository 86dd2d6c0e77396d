package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/** IEEE binary32, 4 bytes a weight, little endian. */
final class F32 implements Codec {
  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int i = 0; i < count; i++) {
      int at = srcOffset + 4 * i;
      int bits = HalfFloat.bits(src, at) | HalfFloat.bits(src, at + 2) << 16;
      dst[dstOffset + i] = Float.intBitsToFloat(bits);
    }
  }

  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int i = 0; i < count; i++) {
      int bits = Float.floatToRawIntBits(src[srcOffset + i]);
      HalfFloat.put(dst, dstOffset + 4 * i, bits);
      HalfFloat.put(dst, dstOffset + 4 * i + 2, bits >>> 16);
    }
  }
}
