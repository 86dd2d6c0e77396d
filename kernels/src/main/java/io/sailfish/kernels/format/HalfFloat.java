package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * IEEE binary16 and little-endian reads. Java 17 has neither {@code Float.float16ToFloat} nor a
 * cheap little-endian view of a foreign buffer, so both are here.
 */
public final class HalfFloat {
  /** 2^112: moves an exponent of bias 15, shifted into a binary32, to bias 127. */
  private static final float REBIAS = 0x1p112f;

  private HalfFloat() {}

  /** Exact value of the low 16 bits of {@code half}; infinities and NaN included. */
  public static float toFloat(int half) {
    int magnitude = half & 0x7FFF;
    int sign = (half & 0x8000) << 16;
    if (magnitude >= 0x7C00) {
      return Float.intBitsToFloat(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
    }
    // The product is exact for subnormal halves too: they become normal floats.
    float value = Float.intBitsToFloat(magnitude << 13) * REBIAS;
    return Float.intBitsToFloat(sign | Float.floatToRawIntBits(value));
  }

  /** Nearest half, ties to even, as 16 bits; beyond 65519 infinity. */
  public static int fromFloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 16 & 0x8000;
    int magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
      return sign | 0x7E00;
    }
    if (magnitude >= 0x477FF000) {
      return sign | 0x7C00;
    }
    if (magnitude < 0x38800000) {
      // Adding 0.5 puts the half's last place at the float's last place, which rounds to even.
      float aligned = Float.intBitsToFloat(magnitude) + 0.5f;
      return sign | (Float.floatToRawIntBits(aligned) - 0x3F000000);
    }
    int odd = magnitude >>> 13 & 1;
    return sign | (magnitude - 0x38000000 + 0xFFF + odd) >>> 13;
  }

  /** Little-endian unsigned 16 bits at an absolute offset. */
  static int bits(ByteBuffer src, int offset) {
    return src.get(offset) & 0xFF | (src.get(offset + 1) & 0xFF) << 8;
  }

  /** Whether the half at an absolute offset is neither infinite nor NaN. */
  static boolean isFinite(ByteBuffer src, int offset) {
    return (src.get(offset + 1) & 0x7C) != 0x7C;
  }

  static float read(ByteBuffer src, int offset) {
    return toFloat(bits(src, offset));
  }

  static void put(ByteBuffer dst, int offset, int half) {
    dst.put(offset, (byte) half);
    dst.put(offset + 1, (byte) (half >>> 8));
  }
}
