package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/** IEEE binary16, 2 bytes a weight, little endian. */
final class F16 implements Codec {
  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int i = 0; i < count; i++) {
      dst[dstOffset + i] = HalfFloat.read(src, srcOffset + 2 * i);
    }
  }

  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int i = 0; i < count; i++) {
      HalfFloat.put(dst, dstOffset + 2 * i, HalfFloat.fromFloat(src[srcOffset + i]));
    }
  }
}
