package io.sailfish.kernels.format;

/**
 * The one list of weight formats. A row of {@code cols} weights is a run of blocks; a block holds
 * {@link #blockLength()} weights in {@link #blockBytes()} bytes, little endian. Readers, operators,
 * tests and benchmarks iterate over this list.
 */
public enum QuantFormat {
  F32("f32", 1, 4, new F32(), 0),
  F16("f16", 1, 2, new F16(), 0x1p-11),
  BF16("bf16", 1, 2, new BF16(), 0x1p-8),
  Q8_0("q8_0", 32, 34, new Q8_0(), 0.005),
  Q4_0("q4_0", 32, 18, new Q4_0(), 0.126),
  Q4_1("q4_1", 32, 20, new Q4_1(), 0.068),
  Q5_0("q5_0", 32, 22, new Q5_0(), 0.063),
  Q5_1("q5_1", 32, 24, new Q5_1(), 0.034),
  IQ4_NL("iq4_nl", 32, 18, new IQ4_NL(), 0.12),
  Q2_K("q2_k", 256, 84, new Q2_K(), 0.35),
  Q3_K("q3_k", 256, 110, new Q3_K(), 0.34),
  Q4_K("q4_k", 256, 144, new Q4_K(), 0.075),
  Q5_K("q5_k", 256, 176, new Q5_K(), 0.04),
  Q6_K("q6_k", 256, 210, new Q6_K(), 0.04),
  U2("u2", 32, 13, new GroupIntegers(2), 0.5),
  U3("u3", 32, 17, new GroupIntegers(3), 0.2),
  U4("u4", 32, 21, new GroupIntegers(4), 0.1),
  U8("u8", 32, 37, new GroupIntegers(8), 0.006),
  NF4("nf4", 32, 20, new TableCodes(TableCodes.NF4), 0.152),
  FP4("fp4", 32, 20, new TableCodes(TableCodes.FP4), 0.167);

  private final String id;
  private final int blockLength;
  private final int blockBytes;
  private final Codec codec;
  private final double tolerance;

  QuantFormat(String id, int blockLength, int blockBytes, Codec codec, double tolerance) {
    this.id = id;
    this.blockLength = blockLength;
    this.blockBytes = blockBytes;
    this.codec = codec;
    this.tolerance = tolerance;
  }

  /** Lower-case name in files, keys and kernel entries. */
  public String id() {
    return id;
  }

  public int blockLength() {
    return blockLength;
  }

  public int blockBytes() {
    return blockBytes;
  }

  public Codec codec() {
    return codec;
  }

  /**
   * Largest error that encoding may put on a weight, as a share of the largest magnitude in its
   * block.
   */
  public double tolerance() {
    return tolerance;
  }

  /**
   * Bytes of a row of {@code cols} weights; {@code cols} must be a multiple of the block length.
   */
  public long rowBytes(long cols) {
    if (cols <= 0 || cols % blockLength != 0) {
      throw new IllegalArgumentException(
          "%s: a row of %d weights is no whole number of blocks of %d"
              .formatted(id, cols, blockLength));
    }
    return cols / blockLength * blockBytes;
  }
}
