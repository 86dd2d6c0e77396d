package io.sailfish.kernels.format.packed;

/** A {@link CodeMatrix} held in arrays. */
public final class CodeArrays implements CodeMatrix {
  private final int inputs;
  private final int groups;
  private final byte[][] codes;
  private final short[][] scales;
  private final short[][] zeros;

  /** An empty matrix of the layout's shape. */
  public CodeArrays(PackedLayout layout) {
    inputs = layout.inputs();
    groups = layout.groups();
    codes = new byte[layout.outputs()][inputs];
    scales = new short[layout.outputs()][groups];
    zeros = new short[layout.hasZeros() ? layout.outputs() : 0][groups];
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    System.arraycopy(codes[output], 0, dst, dstOffset, inputs);
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    System.arraycopy(scales[output], 0, dst, dstOffset, groups);
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    System.arraycopy(zeros[output], 0, dst, dstOffset, groups);
  }

  /** Takes the first {@code inputs} codes of a row. */
  public void setCodes(int output, byte[] src) {
    System.arraycopy(src, 0, codes[output], 0, inputs);
  }

  public void setScale(int output, int group, short value) {
    scales[output][group] = value;
  }

  public void setZero(int output, int group, short value) {
    zeros[output][group] = value;
  }
}
