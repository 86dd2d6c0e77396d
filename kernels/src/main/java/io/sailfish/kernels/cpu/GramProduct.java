package io.sailfish.kernels.cpu;

import java.util.Arrays;

/**
 * XᵀX of activations, the second moments that quantizers weigh errors with. A block of 32 columns
 * of X, {@code [tokens][32]}, is at once what {@link PanelMath#multiplyGroups} calls 32 rows of
 * activations and a decoded panel, so its loops serve: rows are the columns of one block, inputs
 * are tokens.
 */
final class GramProduct {
  /** Tokens summed in fp32 before they are added to the doubles. */
  private static final int CHUNK = 1024;

  /** Tokens a call: two blocks of them fit the first-level cache; see {@link PanelProduct}. */
  private static final int PIECE = 96;

  private static final int COLUMNS = PanelLayout.COLUMNS;

  private final PanelMath math;
  private final Parallel parallel;
  private final float[][] tiles;
  private float[] packed = new float[0];

  GramProduct(PanelMath math, Parallel parallel) {
    this.math = math;
    this.parallel = parallel;
    this.tiles = new float[parallel.threads()][];
  }

  /**
   * gram[i, j] += Σ x[r, i] · x[r, j] over the first {@code rows} rows, for i ≤ j in blocks of 32;
   * what lies below stays as it was. Sums run in the order of the rows, whatever the threads.
   */
  void add(double[] gram, float[] x, int rows, int cols) {
    int blocks = (cols + COLUMNS - 1) / COLUMNS;
    int length = Math.multiplyExact(blocks * COLUMNS, Math.min(rows, CHUNK));
    if (packed.length < length) {
      packed = new float[length];
    }
    for (int first = 0; first < rows; first += CHUNK) {
      int from = first;
      int count = Math.min(CHUNK, rows - first);
      parallel.run(blocks, (block, worker) -> pack(x, from, count, cols, block));
      // The longest come first, so that no thread starts one when the others are done.
      parallel.run(
          blocks, (item, worker) -> addColumn(gram, blocks - 1 - item, count, cols, worker));
    }
  }

  private void pack(float[] x, int first, int count, int cols, int block) {
    int column = block * COLUMNS;
    int width = Math.min(COLUMNS, cols - column);
    for (int t = 0; t < count; t++) {
      int to = (block * count + t) * COLUMNS;
      System.arraycopy(x, (first + t) * cols + column, packed, to, width);
      Arrays.fill(packed, to + width, to + COLUMNS, 0);
    }
  }

  private void addColumn(double[] gram, int block, int count, int cols, int worker) {
    int rows = (block + 1) * COLUMNS;
    if (tiles[worker] == null || tiles[worker].length < rows * COLUMNS) {
      tiles[worker] = new float[rows * COLUMNS];
    }
    float[] tile = tiles[worker];
    Arrays.fill(tile, 0, rows * COLUMNS, 0);
    PanelMath.Block x = new PanelMath.Block();
    PanelMath.Block w = new PanelMath.Block();
    Ahead nothing = new Ahead();
    for (int piece = 0; piece < count; piece += PIECE) {
      x.on(packed, piece * COLUMNS, count * COLUMNS);
      w.on(packed, (block * count + piece) * COLUMNS, COLUMNS);
      math.multiplyGroups(tile, x, w, rows, Math.min(PIECE, count - piece), nothing);
    }
    int width = Math.min(COLUMNS, cols - block * COLUMNS);
    for (int r = 0; r < Math.min(rows, cols); r++) {
      int to = r * cols + block * COLUMNS;
      for (int c = 0; c < width; c++) {
        gram[to + c] += tile[r * COLUMNS + c];
      }
    }
  }
}
