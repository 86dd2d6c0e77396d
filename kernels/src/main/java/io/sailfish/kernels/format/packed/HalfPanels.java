package io.sailfish.kernels.format.packed;

/**
 * Where dense fp16 weights lie on a card, as ops/rows.cuh has them: strips of 64 outputs, each
 * {@code [paddedInputs/8][64][8]}, neighbouring outputs eight places apart. A panel is two strips.
 */
public final class HalfPanels {
  /** Outputs of a panel; inputs are filled up to a multiple of it. */
  public static final int PANEL = 128;

  /** Outputs of a strip, of which any run of inputs is one run of bytes. */
  public static final int STRIP = 64;

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

  /** Place of an output among the 64 of its strip. */
  public static int place(int output) {
    int in = output % STRIP;
    return in & 0x30 | (in & 1) << 3 | (in & 0xe) >> 1;
  }

  /**
   * Index of the element (output, input) within its panel.
   *
   * @param cols inputs of the weight
   */
  public static int indexInPanel(int output, int input, int cols) {
    int slab = output % PANEL / STRIP * (paddedCols(cols) / 8) + (input >> 3);
    return (slab * STRIP + place(output)) * 8 + (input & 7);
  }
}
