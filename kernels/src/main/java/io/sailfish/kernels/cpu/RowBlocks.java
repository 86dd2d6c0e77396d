package io.sailfish.kernels.cpu;

/**
 * Rows of activations as {@link PanelMath#multiplyGroups} reads them: 32 side by side, {@code [rows
 * / 32][cols][32]}. So the factors that one input k has for a group of four rows are neighbours,
 * and from one k to the next it is as far as in a decoded panel: the product's innermost loop
 * counts one index up for both. Rows up to the next multiple of four are zero, those beyond are
 * whatever was there.
 */
final class RowBlocks {
  /** Rows in a block: as many as a panel has columns. */
  static final int ROWS = PanelLayout.COLUMNS;

  /** Rows of a group: times two vectors of columns they keep eight sums in flight. */
  static final int GROUP = 4;

  /** Inputs k that one thread packs at a time: their factors are neighbours. */
  private static final int STRIP = 96;

  /** Elements below which packing is not worth handing to other threads. */
  private static final int SERIAL_ELEMENTS = 1 << 12;

  private final Parallel parallel;
  private float[] data = new float[0];
  private int cols;

  RowBlocks(Parallel parallel) {
    this.parallel = parallel;
  }

  static int padded(int rows) {
    return (rows + GROUP - 1) / GROUP * GROUP;
  }

  float[] data() {
    return data;
  }

  /** Where input k of a row lies. */
  int at(int row, int k) {
    return (row / ROWS * cols + k) * ROWS + row % ROWS;
  }

  /** Packs the first {@code rows} rows of x, {@code [.., cols]}. */
  void load(float[] x, int rows, int cols) {
    this.cols = cols;
    int blocks = (rows + ROWS - 1) / ROWS;
    int length = Math.multiplyExact(blocks * ROWS, cols);
    if (data.length < length) {
      data = new float[length];
    }
    int strips = (cols + STRIP - 1) / STRIP;
    if (rows * cols < SERIAL_ELEMENTS) {
      for (int item = 0; item < blocks * strips; item++) {
        pack(x, rows, item / strips, item % strips);
      }
    } else {
      parallel.run(blocks * strips, (item, worker) -> pack(x, rows, item / strips, item % strips));
    }
  }

  private void pack(float[] x, int rows, int block, int strip) {
    int first = block * ROWS;
    int count = Math.min(rows - first, ROWS);
    int end = Math.min(cols, (strip + 1) * STRIP);
    // Row by row: factors of one k are a row apart, often a multiple of a page, where they would
    // drive each other out of the cache.
    for (int r = 0; r < padded(count); r++) {
      int to = at(first, 0) + r;
      if (r < count) {
        int from = (first + r) * cols;
        for (int k = strip * STRIP; k < end; k++) {
          data[to + k * ROWS] = x[from + k];
        }
      } else {
        for (int k = strip * STRIP; k < end; k++) {
          data[to + k * ROWS] = 0;
        }
      }
    }
  }
}
