package io.sailfish.kernels.cpu;

import java.util.Arrays;

/** Rows times one panel, and what becomes of the tile. Scratch is held for each worker. */
final class PanelProduct {
  /** Inputs k decoded at once: 128 · 32 floats are half of a first-level cache. */
  private static final int CHUNK_INNER = 128;

  /** The same for one row, which needs no room for decoded weights: fewer, longer runs. */
  private static final int ROW_CHUNK_INNER = 768;

  private static final int COLUMNS = PanelLayout.COLUMNS;

  private final PanelMath math;
  private final Scratch[] scratch;

  /** Rows {@code [firstRow, firstRow + rows)} of the result, the columns of one panel. */
  record Tile(PanelWeight weight, int panel, int firstRow, int rows) {}

  private static final class Scratch {
    float[] weights = new float[0];
    float[] scales = new float[0];
    final PanelMath.Block x = new PanelMath.Block();
    final PanelMath.Block w = new PanelMath.Block();
    final PanelMath.Block out = new PanelMath.Block();
    int[] words = new int[0];
    float[] tile = new float[0];
    float[] second = new float[0];
  }

  PanelProduct(PanelMath math, int threads) {
    this.math = math;
    this.scratch = new Scratch[threads];
    for (int i = 0; i < threads; i++) {
      scratch[i] = new Scratch();
    }
  }

  /** Writes the tile to y, {@code [.., weight.rows()]}, or adds it. */
  void store(Tile tile, float[] y, float[] x, boolean add, int worker) {
    Scratch own = scratch[worker];
    own.tile = sized(own.tile, tile.rows() * COLUMNS);
    compute(tile, tile.panel(), x, own, own.tile);
    PanelWeight w = tile.weight();
    int width = w.width(tile.panel());
    for (int r = 0; r < tile.rows(); r++) {
      int to = (tile.firstRow() + r) * w.rows() + w.firstRow(tile.panel());
      int from = r * COLUMNS;
      if (add) {
        for (int c = 0; c < width; c++) {
          y[to + c] += own.tile[from + c];
        }
      } else {
        System.arraycopy(own.tile, from, y, to, width);
      }
    }
  }

  /** Computes the tile's panel and its partner in the other half: y = silu(gate) ∘ up. */
  void swiGlu(Tile tile, float[] y, float[] x, int worker) {
    Scratch own = scratch[worker];
    PanelWeight w = tile.weight();
    own.tile = sized(own.tile, tile.rows() * COLUMNS);
    own.second = sized(own.second, tile.rows() * COLUMNS);
    compute(tile, tile.panel(), x, own, own.tile);
    compute(tile, w.numPanels() / 2 + tile.panel(), x, own, own.second);
    math.siluMultiply(own.tile, own.second, tile.rows() * COLUMNS);
    int width = w.width(tile.panel());
    for (int r = 0; r < tile.rows(); r++) {
      int to = (tile.firstRow() + r) * (w.rows() / 2) + w.firstRow(tile.panel());
      System.arraycopy(own.tile, r * COLUMNS, y, to, width);
    }
  }

  /** y[i] = silu(gate[i]) · up[i] of one row whose gate and up stand one behind the other. */
  void gate(float[] both, int at, float[] y, int to, int inner) {
    int padded = (inner + PanelMath.PARTIAL_SUMS - 1) & -PanelMath.PARTIAL_SUMS;
    float[] gate = new float[padded];
    float[] up = new float[padded];
    System.arraycopy(both, at, gate, 0, inner);
    System.arraycopy(both, at + inner, up, 0, inner);
    math.siluMultiply(gate, up, padded);
    System.arraycopy(gate, 0, y, to, inner);
  }

  private void compute(Tile tile, int panel, float[] x, Scratch own, float[] out) {
    PanelWeight w = tile.weight();
    PanelLayout layout = w.layout(panel);
    int units = w.cols() / layout.unitInner();
    boolean direct = tile.rows() == 1 && math.hasRowProduct(layout);
    int step = Math.max(1, (direct ? ROW_CHUNK_INNER : CHUNK_INNER) / layout.unitInner());
    own.scales = sized(own.scales, step * 2 * COLUMNS);
    if (!direct) {
      own.weights = sized(own.weights, step * layout.unitInner() * COLUMNS);
    }
    if (own.words.length < step * layout.unitWords()) {
      own.words = new int[step * layout.unitWords()];
    }
    Arrays.fill(out, 0, tile.rows() * COLUMNS, 0);
    own.out.on(out, 0, COLUMNS);
    own.w.on(own.weights, 0, COLUMNS);
    for (int unit = 0; unit < units; unit += step) {
      int count = Math.min(step, units - unit);
      w.stage(panel, unit, count, own.words);
      own.x.on(x, tile.firstRow() * w.cols() + unit * layout.unitInner(), w.cols());
      if (direct) {
        math.multiplyRow(layout, own.words, count, own.scales, own.x, out);
      } else {
        math.decode(layout, own.words, count, own.scales, own.weights);
        int inner = count * layout.unitInner();
        math.multiply(own.out, own.x, own.w, tile.rows(), COLUMNS, inner);
      }
    }
  }

  private static float[] sized(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }
}
