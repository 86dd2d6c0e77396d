package io.sailfish.kernels.cuda;

/**
 * A dense fp16 weight on the card, as ops/rows.cuh lays it out: panels of 128 outputs, each {@code
 * [paddedInputs/8][128][8]}, neighbouring outputs eight places apart.
 *
 * @param rows outputs N
 * @param cols inputs K
 * @param gated outputs 2j are gates, 2j+1 ups
 * @param address of the first panel, a multiple of 128
 */
record DenseMatrix(String name, int rows, int cols, boolean gated, long address)
    implements CudaWeight {
  static final int PANEL = 128;

  DenseMatrix {
    Arguments.aligned("weight " + name, "address", address, PANEL);
  }

  static int panels(int rows) {
    return (rows - 1) / PANEL + 1;
  }

  /** Inputs rounded up to whole groups of 128. */
  static int paddedCols(int cols) {
    return (cols - 1) / PANEL * PANEL + PANEL;
  }

  static long panelBytes(int cols) {
    return (long) PANEL * paddedCols(cols) * Short.BYTES;
  }

  static long bytes(int rows, int cols) {
    return panels(rows) * panelBytes(cols);
  }

  /** Place of an output among the 128 of its panel. */
  static int place(int output) {
    int in = output % PANEL;
    return in & 0x70 | (in & 1) << 3 | (in & 0xe) >> 1;
  }

  /** Index of the element (output, input) within its panel. */
  static int indexInPanel(int output, int input) {
    return ((input >> 3) * PANEL + place(output)) * 8 + (input & 7);
  }

  @Override
  public long bytes() {
    return bytes(rows, cols);
  }
}
