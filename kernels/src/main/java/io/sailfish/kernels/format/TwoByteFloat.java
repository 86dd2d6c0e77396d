package io.sailfish.kernels.format;

import java.util.Locale;

/** The two 16-bit floating-point types. Conversions round to nearest even and keep NaN. */
public enum TwoByteFloat {
  /** IEEE 754 binary16. */
  F16 {
    @Override
    public float decode(short bits) {
      int sign = (bits & 0x8000) << 16;
      int exponent = bits >>> 10 & 0x1f;
      int fraction = bits & 0x3ff;
      if (exponent == 0) {
        float magnitude = fraction * 0x1p-24f;
        return sign == 0 ? magnitude : -magnitude;
      }
      int wide = exponent == 31 ? 255 : exponent + 127 - 15;
      return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
    }

    @Override
    public short encode(float value) {
      int bits = Float.floatToRawIntBits(value);
      int sign = bits >>> 16 & 0x8000;
      float magnitude = Math.abs(value);
      if (Float.isNaN(value)) {
        return (short) (sign | 0x7e00 | bits >>> 13 & 0x3ff);
      }
      if (magnitude >= 65520f) { // the middle between the largest half and the next power of two
        return (short) (sign | 0x7c00);
      }
      if (magnitude < 0x1p-14f) { // subnormal: units of 2^-24; rint rounds to even
        return (short) (sign | (int) Math.rint(magnitude * 0x1p24));
      }
      int rounded = (bits & 0x7fffffff) + 0xfff + (bits >>> 13 & 1);
      return (short) (sign | (rounded - (112 << 23)) >>> 13);
    }
  },

  /** The upper half of a binary32. */
  BF16 {
    @Override
    public float decode(short bits) {
      return Float.intBitsToFloat(bits << 16);
    }

    @Override
    public short encode(float value) {
      int bits = Float.floatToRawIntBits(value);
      if (Float.isNaN(value)) {
        return (short) (bits >>> 16 | 0x40);
      }
      return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }
  };

  /** {@code f16} or {@code bf16}, as the device code spells them. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** {@code fp16} or {@code bf16}, as people spell them. */
  public String describe() {
    return this == F16 ? "fp16" : "bf16";
  }

  /** Exact. */
  public abstract float decode(short bits);

  /** Nearest value, ties to even; beyond the largest finite value it is infinity. */
  public abstract short encode(float value);
}
