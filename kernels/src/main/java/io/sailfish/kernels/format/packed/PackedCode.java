package io.sailfish.kernels.format.packed;

/** What a code of a packed weight stands for, and its bits in memory. */
public enum PackedCode {
  /** Integers 0..15. */
  W4(4),
  /** Indices into a table of 16 values. */
  LUT4(4),
  /** Indices into a table of 8 values. */
  LUT3(3),
  /** Indices into a table of 4 values. */
  LUT2(2);

  private final int bits;

  PackedCode(int bits) {
    this.bits = bits;
  }

  public int bits() {
    return bits;
  }

  /** Number of different codes. */
  public int codes() {
    return 1 << bits;
  }

  public boolean hasTable() {
    return this != W4;
  }
}
