package io.sailfish.kernels.cpu;

import java.nio.IntBuffer;

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
    PanelLayout layout, int firstRow, int rows, int units, IntBuffer[] chunks, int panelsPerChunk) {
  int numPanels() {
    return (rows + PanelLayout.COLUMNS - 1) / PanelLayout.COLUMNS;
  }

  /** Copies {@code count} units of a panel of this run. */
  void stage(int panel, int firstUnit, int count, int[] words) {
    int unitWords = layout.unitWords();
    int at = (panel % panelsPerChunk * units + firstUnit) * unitWords;
    chunks[panel / panelsPerChunk].get(at, words, 0, count * unitWords);
  }

  long bytes() {
    long bytes = 0;
    for (IntBuffer chunk : chunks) {
      bytes += 4L * chunk.capacity();
    }
    return bytes;
  }
}
