package io.sailfish.kernels.format.packed;

/**
 * Where dense fp16 weights lie on a card, as ops/rows.cuh has them: panels of 128 outputs, each
 * {@code [paddedInputs/8][128][8]}, neighbouring outputs eight places apart.
 */
public final class HalfPanels {
  /** Outputs of a panel; inputs are filled up to a multiple of it. */
  public static final int PANEL = 128;

  private HalfPanels() {}

  public static int panels(int rows) {
    return (rows - 1) / PANEL + 1;
  }

  /** Inputs rounded up to whole groups of 128. */
  public static int paddedCols(int cols) {
    return (cols - 1) / PANEL * PANEL + PANEL;
  }

  public static long panelBytes(int cols) {
    return (long) PANEL * paddedCols(cols) * Short.BYTES;
  }

  public static long bytes(int rows, int cols) {
    return panels(rows) * panelBytes(cols);
  }

  /** Place of an output among the 128 of its panel. */
  public static int place(int output) {
    int in = output % PANEL;
    return in & 0x70 | (in & 1) << 3 | (in & 0xe) >> 1;
  }

  /** Index of the element (output, input) within its panel. */
  public static int indexInPanel(int output, int input) {
    return ((input >> 3) * PANEL + place(output)) * 8 + (input & 7);
  }
}
