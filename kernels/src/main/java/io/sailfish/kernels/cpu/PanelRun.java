package io.sailfish.kernels.cpu;

/**
 * The panels of one part of a weight. A part starts a panel of its own; the last panel is filled up
 * with zeros.
 *
 * @param layout of each unit
 * @param firstRow output of the weight that is column 0 of the first panel
 * @param rows outputs in this run
 * @param units units in a panel
 * @param chunks whole panels each, {@code panelsPerChunk} but for the last
 * @param panelsPerChunk so many that an int still indexes their words
 */
record PanelRun(
    PanelLayout layout, int firstRow, int rows, int units, int[][] chunks, int panelsPerChunk) {
  int numPanels() {
    return (rows + PanelLayout.COLUMNS - 1) / PanelLayout.COLUMNS;
  }

  /** The array that holds a panel of this run. */
  int[] words(int panel) {
    return chunks[panel / panelsPerChunk];
  }

  /** Index in {@link #words} of a unit of a panel. */
  int at(int panel, int unit) {
    return (panel % panelsPerChunk * units + unit) * layout.unitWords();
  }

  long bytes() {
    long bytes = 0;
    for (int[] chunk : chunks) {
      bytes += 4L * chunk.length;
    }
    return bytes;
  }
}
