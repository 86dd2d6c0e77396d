package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;

/**
 * Shape and kinds of one packed weight matrix; all sizes follow from it. N = {@code outputs}, K =
 * {@code inputs}; both are padded to multiples of 128 in memory.
 *
 * @param code what the codes are
 * @param zeroKind what the second value of a group is
 * @param outputs N
 * @param inputs K
 * @param group inputs that share a scale: 32, 64, a multiple of 128, or any number from K on
 *     (channel-wise)
 * @param scaleType type of scales and zeros
 */
public record PackedLayout(
    PackedCode code,
    ZeroKind zeroKind,
    int outputs,
    int inputs,
    int group,
    TwoByteFloat scaleType) {
  /** Columns and inputs of a block. */
  public static final int BLOCK = 128;

  private static final String OPERATOR = "packed layout";

  public PackedLayout {
    require(outputs > 0, "outputs", "a positive number", outputs);
    require(inputs > 0, "inputs", "a positive number", inputs);
    require(
        group == 32 || group == 64 || group > 0 && (group % BLOCK == 0 || group >= inputs),
        "group",
        "32, 64, a multiple of 128, or at least the number of inputs " + inputs,
        group);
  }

  private static void require(boolean holds, String argument, String expected, Object got) {
    if (!holds) {
      throw new KernelException(OPERATOR, argument, expected, got);
    }
  }

  /** Np: outputs rounded up to whole panels. */
  public int paddedOutputs() {
    return panels() * BLOCK;
  }

  /** Kp: inputs rounded up to whole blocks. */
  public int paddedInputs() {
    return blocksPerPanel() * BLOCK;
  }

  /** Panels of 128 outputs. */
  public int panels() {
    return (outputs - 1) / BLOCK + 1;
  }

  public int blocksPerPanel() {
    return (inputs - 1) / BLOCK + 1;
  }

  /** Groups of an output that hold at least one input. */
  public int groups() {
    return (inputs - 1) / group + 1;
  }

  /** Q: rows of scales in a block. */
  public int scaleRowsPerBlock() {
    return group == 32 || group == 64 ? BLOCK / group : 1;
  }

  public boolean hasZeros() {
    return zeroKind != ZeroKind.SYMMETRIC;
  }

  /** Bytes of the scales and zeros at the start of a block. */
  public int scaleBytesPerBlock() {
    return scaleRowsPerBlock() * BLOCK * 2 * (hasZeros() ? 2 : 1);
  }

  public int blockBytes() {
    return scaleBytesPerBlock() + code.bits() * 2048;
  }

  public int panelBytes() {
    return Math.multiplyExact(blocksPerPanel(), blockBytes());
  }

  /** Bytes of the whole matrix, tables not counted. */
  public long bytes() {
    return (long) panels() * panelBytes();
  }
}
