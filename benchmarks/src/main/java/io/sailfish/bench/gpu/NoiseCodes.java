package io.sailfish.bench.gpu;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;

/**
 * A random weight matrix that takes no memory: every code, scale and zero is a hash of its place.
 * Weights have mean about 0 and variance about 1/K, so that products of unit activations are of
 * order one; {@code scaleFactor} moves them to the edges of the format.
 */
final class NoiseCodes implements CodeMatrix {
  private final PackedLayout layout;
  private final long seed;
  private final double baseScale;
  private final boolean powersOfTwo;

  /**
   * @param kind that the layout is of
   */
  NoiseCodes(WeightKind kind, PackedLayout layout, long seed, double scaleFactor) {
    this.layout = layout;
    this.seed = seed;
    this.powersOfTwo = kind.values() == WeightKind.Values.MXFP4;
    baseScale = scaleFactor / (kind.deviation() * Math.sqrt(layout.inputs()));
  }

  static long mix(long x) {
    x = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
    x = (x ^ x >>> 27) * 0x94d049bb133111ebL;
    return x ^ x >>> 31;
  }

  private long hash(int output, int place, int purpose) {
    return mix(seed * 31 + purpose + ((long) output << 24 | place) * 0x9e3779b97f4a7c15L);
  }

  private double uniform(int output, int group, int purpose) {
    return (hash(output, group, purpose) >>> 11) * 0x1p-53;
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    int mask = layout.code().codes() - 1;
    for (int k = 0; k < layout.inputs(); k += 8) {
      long bits = hash(output, k, 1);
      for (int i = 0; i < 8 && k + i < layout.inputs(); i++) {
        dst[dstOffset + k + i] = (byte) (bits >>> 8 * i & mask);
      }
    }
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    for (int group = 0; group < layout.groups(); group++) {
      dst[dstOffset + group] = layout.scaleType().encode(scale(output, group));
    }
  }

  private float scale(int output, int group) {
    if (powersOfTwo) { // a quarter of the base to twice of it
      int exponent = Math.getExponent(baseScale) - 1 + (int) (3 * uniform(output, group, 2));
      return Math.scalb(1f, exponent);
    }
    return (float) (baseScale * (0.5 + uniform(output, group, 2)));
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    double middle = (layout.code().codes() - 1) / 2.0;
    TwoByteFloat type = layout.scaleType();
    for (int group = 0; group < layout.groups(); group++) {
      double shift = (uniform(output, group, 3) - 0.5) * 2;
      double zero = layout.code().hasTable() ? shift * 0.1 : middle + shift;
      if (layout.zeroKind() == ZeroKind.OFFSET) {
        zero *= -scale(output, group);
      }
      dst[dstOffset + group] = type.encode((float) zero);
    }
  }
}
