package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.format.TwoByteFloat;

/** What the weights of a matrix are worth: the truth that kernels are held against. */
public final class WeightValues {
  private static final int SYMMETRIC_ZERO = 8;

  private final PackedLayout layout;
  private final CodeMatrix matrix;
  private final LutTables tables;

  /**
   * @param tables null for integer codes
   */
  public WeightValues(PackedLayout layout, CodeMatrix matrix, LutTables tables) {
    this.layout = layout;
    this.matrix = matrix;
    this.tables = tables;
    if (layout.code().hasTable()) {
      tables.requireFits(layout);
    }
  }

  /** Writes the weights of an output, {@code inputs} of them, exact in double. */
  public void row(int output, double[] dst) {
    byte[] codes = new byte[layout.inputs()];
    short[] scales = new short[layout.groups()];
    short[] zeros = new short[layout.groups()];
    matrix.codes(output, codes, 0);
    matrix.scales(output, scales, 0);
    if (layout.hasZeros()) {
      matrix.zeros(output, zeros, 0);
    }
    TwoByteFloat type = layout.scaleType();
    for (int k = 0; k < layout.inputs(); k++) {
      int group = k / layout.group();
      double value = layout.code().hasTable() ? tables.value(output, codes[k]) : codes[k];
      double scale = type.decode(scales[group]);
      double zero = type.decode(zeros[group]);
      dst[k] =
          switch (layout.zeroKind()) {
            case SYMMETRIC -> scale * (layout.code().hasTable() ? value : value - SYMMETRIC_ZERO);
            case ZERO -> scale * (value - zero);
            case OFFSET -> scale * value + zero;
          };
    }
  }
}
