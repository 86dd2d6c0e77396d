package io.sailfish.kernels.cpu;

/**
 * The panels of one part of a weight. A part starts a panel of its own; the last panel is filled up
 * with zeros.
 *
 * @param layout of each unit
 * @param firstRow output of the weight that is column 0 of the first panel
 * @param rows outputs in this run
 * @param units units in a panel
 * @param arrays for each panel the array that holds it, whole
 * @param starts for each panel its first word there
 */
record PanelRun(
    PanelLayout layout, int firstRow, int rows, int units, int[][] arrays, int[] starts) {
  int numPanels() {
    return starts.length;
  }

  /** The array that holds a panel of this run. */
  int[] words(int panel) {
    return arrays[panel];
  }

  /** Index in {@link #words} of a panel's first word. */
  int at(int panel) {
    return starts[panel];
  }

  long bytes() {
    return 4L * starts.length * units * layout.unitWords();
  }
}
