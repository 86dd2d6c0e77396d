package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;

/**
 * Values that LUT codes stand for: one table for the matrix or one for each strip of 64 outputs, in
 * order. The values are rounded to {@code type}, the type of the activations.
 */
public final class LutTables {
  /** Outputs that share a table when there is more than one. */
  public static final int STRIP = 64;

  private final PackedCode code;
  private final TwoByteFloat type;
  private final short[] values;

  /**
   * @param values {@code [tables][code.codes()]}
   */
  public LutTables(PackedCode code, TwoByteFloat type, float[] values) {
    if (!code.hasTable() || values.length == 0 || values.length % code.codes() != 0) {
      throw new KernelException(
          "lut tables",
          "values",
          "a multiple of the table length of a LUT code",
          values.length + " values for " + code);
    }
    this.code = code;
    this.type = type;
    this.values = new short[values.length];
    for (int i = 0; i < values.length; i++) {
      this.values[i] = type.encode(values[i]);
    }
  }

  /** The same values rounded to the type of other activations. */
  public LutTables as(TwoByteFloat activations) {
    if (activations == type) {
      return this;
    }
    float[] decoded = new float[values.length];
    for (int i = 0; i < decoded.length; i++) {
      decoded[i] = type.decode(values[i]);
    }
    return new LutTables(code, activations, decoded);
  }

  public TwoByteFloat type() {
    return type;
  }

  public int count() {
    return values.length / code.codes();
  }

  /** Encoded values, {@code [tables][code.codes()]}. */
  public short[] encoded() {
    return values.clone();
  }

  /** Value of a code of an output. */
  public float value(int output, int code) {
    int table = count() == 1 ? 0 : output / STRIP;
    return type.decode(values[table * this.code.codes() + code]);
  }

  /** Refuses tables that do not fit the matrix. */
  public void requireFits(PackedLayout layout) {
    int strips = layout.paddedOutputs() / STRIP;
    if (layout.code() != code || count() != 1 && count() != strips) {
      throw new KernelException(
          "lut tables",
          "tables",
          "1 or %d tables of %s".formatted(strips, layout.code()),
          count() + " of " + code);
    }
  }
}
