package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.HalfPanels;

/**
 * A dense weight of two bytes an element on the card, in {@link HalfPanels}.
 *
 * @param type of the elements and of the activations that it is multiplied with
 * @param rows outputs N
 * @param cols inputs K
 * @param gated outputs 2j are gates, 2j+1 ups
 * @param address of the first strip, a multiple of 128
 */
record DenseMatrix(String name, TwoByteFloat type, int rows, int cols, boolean gated, long address)
    implements CudaWeight {
  static final int PANEL = HalfPanels.PANEL;

  DenseMatrix {
    Arguments.aligned("weight " + name, "address", address, PANEL);
  }

  static int panels(int rows) {
    return HalfPanels.panels(rows);
  }

  static int paddedCols(int cols) {
    return HalfPanels.paddedCols(cols);
  }

  static long panelBytes(int cols) {
    return HalfPanels.panelBytes(cols);
  }

  static long bytes(int rows, int cols) {
    return HalfPanels.bytes(rows, cols);
  }

  static int place(int output) {
    return HalfPanels.place(output);
  }

  static int indexInPanel(int output, int input, int cols) {
    return HalfPanels.indexInPanel(output, input, cols);
  }

  @Override
  public long bytes() {
    return bytes(rows, cols);
  }
}
