package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Hands a matrix on and remembers its largest scale in magnitude. Products on Hopper scale weights
 * to fp16 on their way to the tensor core; a power of two that all scales of a matrix are
 * multiplied by keeps small ones out of fp16's subnormals and comes off again in the fp32 sum. It
 * depends on the matrix alone.
 */
final class ScaleExponent implements CodeMatrix {
  static final int MAX = 30;
  private static final double LARGEST_HALF = 65504;

  private final CodeMatrix matrix;
  private final PackedLayout layout;

  /** Bits of a non-negative float, which order as the floats do. */
  private final AtomicInteger largest = new AtomicInteger();

  ScaleExponent(CodeMatrix matrix, PackedLayout layout) {
    this.matrix = matrix;
    this.layout = layout;
  }

  /** The exponent for weights whose scales are at most {@code largest} in magnitude. */
  static int of(float largest) {
    if (!(largest >= 0) || largest > LARGEST_HALF) {
      throw new KernelException("gemm", "largest scale", "0.." + LARGEST_HALF, largest);
    }
    int exponent = MAX;
    while (exponent > 0 && Math.scalb((double) largest, exponent) > LARGEST_HALF) {
      exponent--;
    }
    return exponent;
  }

  /**
   * The exponent for the scales seen so far, such that neither they nor scaled table values leave
   * fp16.
   *
   * @param tables null for integer codes
   */
  int value(LutTables tables) {
    return of(Float.intBitsToFloat(largest.get()), tables);
  }

  /**
   * The exponent for weights whose scales are at most {@code largest} in magnitude.
   *
   * @param tables null for integer codes
   */
  static int of(float largest, LutTables tables) {
    float entry = 1;
    if (tables != null) {
      for (short value : tables.encoded()) {
        entry = Math.max(entry, Math.abs(tables.type().decode(value)));
      }
    }
    return of((float) Math.min(LARGEST_HALF, largest * (double) entry));
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    matrix.codes(output, dst, dstOffset);
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    matrix.scales(output, dst, dstOffset);
    int own = 0;
    for (int group = 0; group < layout.groups(); group++) {
      float scale = Math.abs(layout.scaleType().decode(dst[dstOffset + group]));
      own = Math.max(own, Float.floatToIntBits(scale));
    }
    if (own > largest.get()) { // once a row at most: all cores share this
      largest.accumulateAndGet(own, Math::max);
    }
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    matrix.zeros(output, dst, dstOffset);
  }
}
