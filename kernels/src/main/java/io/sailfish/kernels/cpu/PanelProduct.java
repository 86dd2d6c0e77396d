package io.sailfish.kernels.cpu;

import io.sailfish.kernels.format.QuantFormat;
import java.util.Arrays;

/** Rows times one panel, and what becomes of the tile. Scratch is held for each worker. */
final class PanelProduct {
  /** Inputs k decoded at once: 96 · 32 floats are a third of a first-level cache. */
  private static final int CHUNK_INNER = 96;

  /** Floats of a worker's decoded weights: {@link #CHUNK_INNER} inputs, or one unit if longer. */
  private static final int WEIGHTS = PanelLayout.COLUMNS * Math.max(CHUNK_INNER, longestBlock());

  private static final int COLUMNS = PanelLayout.COLUMNS;

  private final PanelMath math;
  private final RowBlocks blocks;
  private final Scratch[] scratch;
  private float[] rows = new float[0];

  /**
   * Decoded weights of all workers in one array, so large that G1 lets it start a region and never
   * moves it: vectors that straddle two cache lines cost a third of the decoding, measured in a
   * loop of its own, not in a whole model.
   */
  private final float[] weights;

  /** Rows {@code [firstRow, firstRow + rows)} of the result, the columns of one panel. */
  record Tile(PanelWeight weight, int panel, int firstRow, int rows) {}

  private static final class Scratch {
    final float[] scales = new float[PanelLayout.SCALE_FLOATS];
    final PanelPiece piece = new PanelPiece();
    final PanelMath.Block x = new PanelMath.Block();
    final PanelMath.Block w = new PanelMath.Block();
    final Ahead ahead = new Ahead();
    float[] tile = new float[0];
    float[] second = new float[0];
  }

  PanelProduct(PanelMath math, Parallel parallel) {
    this.math = math;
    this.blocks = new RowBlocks(parallel);
    this.scratch = new Scratch[parallel.threads()];
    this.weights =
        new float
            [Math.max(HostMemory.ALIGNED + scratch.length * WEIGHTS, HostMemory.immovableFloats())];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new Scratch();
    }
  }

  private static int longestBlock() {
    return Arrays.stream(QuantFormat.values())
        .mapToInt(QuantFormat::blockLength)
        .max()
        .orElseThrow();
  }

  /** Takes the first {@code count} rows of x, {@code [.., cols]}, for the tiles that follow. */
  void load(float[] x, int count, int cols) {
    rows = x;
    if (count > 1) {
      blocks.load(x, count, cols);
    }
  }

  /** Writes the tile to y, {@code [.., weight.rows()]}, or adds it. */
  void store(Tile tile, float[] y, boolean add, int worker) {
    Scratch own = scratch[worker];
    own.tile = sized(own.tile, RowBlocks.padded(tile.rows()) * COLUMNS);
    compute(tile, tile.panel(), worker, own.tile);
    PanelWeight w = tile.weight();
    int width = w.width(tile.panel());
    for (int r = 0; r < tile.rows(); r++) {
      int to = (tile.firstRow() + r) * w.rows() + w.firstRow(tile.panel());
      int from = r * COLUMNS;
      if (add) {
        math.add(y, to, own.tile, from, width);
      } else {
        System.arraycopy(own.tile, from, y, to, width);
      }
    }
  }

  /** Computes the tile's panel and its partner in the other half: y = silu(gate) ∘ up. */
  void swiGlu(Tile tile, float[] y, int worker) {
    Scratch own = scratch[worker];
    PanelWeight w = tile.weight();
    int padded = RowBlocks.padded(tile.rows());
    own.tile = sized(own.tile, padded * COLUMNS);
    own.second = sized(own.second, padded * COLUMNS);
    compute(tile, tile.panel(), worker, own.tile);
    compute(tile, w.numPanels() / 2 + tile.panel(), worker, own.second);
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

  private void compute(Tile tile, int panel, int worker, float[] out) {
    Scratch own = scratch[worker];
    PanelWeight w = tile.weight();
    PanelLayout layout = w.layout(panel);
    PanelPiece piece = own.piece.on(layout, w.words(panel), w.at(panel));
    own.w.on(weights, HostMemory.ALIGNED + worker * WEIGHTS, COLUMNS);
    Arrays.fill(out, 0, RowBlocks.padded(tile.rows()) * COLUMNS, 0);
    boolean fused = tile.rows() == 1 && math.fuses(layout);
    int block = layout.format().blockLength();
    int step = fused ? layout.unitInner() : Math.max(1, CHUNK_INNER / block) * block;
    for (int k = 0; k < w.cols(); k += step) {
      int inner = Math.min(step, w.cols() - k);
      piece.move(k, inner);
      int turns = tile.rows() > 1 ? math.groups(tile.rows()) : fused ? inner / block : 2;
      int next = k + Math.max(step, layout.unitInner());
      int count = step / block * layout.blockWords();
      own.ahead.on(piece.words, piece.at + next / block * layout.blockWords(), count, turns);
      if (tile.rows() == 1) {
        own.x.on(rows, tile.firstRow() * w.cols() + k, 0);
        math.multiplyRow(out, own.x, piece, own.scales, own.w, own.ahead);
      } else {
        math.decode(piece, own.scales, own.w);
        own.x.on(blocks.data(), blocks.at(tile.firstRow(), k), RowBlocks.ROWS * w.cols());
        math.multiplyGroups(out, own.x, own.w, tile.rows(), inner, own.ahead);
      }
    }
  }

  private static float[] sized(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }
}
