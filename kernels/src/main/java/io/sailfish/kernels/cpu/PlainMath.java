package io.sailfish.kernels.cpu;

import java.util.Arrays;

/** {@link PanelMath} without the Vector API: the same operations, an element at a time. */
final class PlainMath implements PanelMath {
  private final String description;

  PlainMath(String description) {
    this.description = description;
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public void decode(PanelPiece piece, float[] scales, Block w) {
    int columns = PanelLayout.COLUMNS;
    for (int c = 0; c < columns; c++) {
      piece.layout.decodeColumn(piece, c, w.data, w.at + c, columns);
    }
  }

  @Override
  public void multiply(Block tile, Block x, Block w, int rows, int cols, int inner) {
    for (int r = 0; r < rows; r++) {
      int to = tile.at + r * tile.stride;
      for (int k = 0; k < inner; k++) {
        float factor = x.data[x.at + r * x.stride + k];
        int from = w.at + k * w.stride;
        for (int c = 0; c < cols; c++) {
          tile.data[to + c] = Math.fma(factor, w.data[from + c], tile.data[to + c]);
        }
      }
    }
  }

  @Override
  public void multiplyGroups(float[] tile, Block x, Block w, int rows, int inner, Ahead ahead) {
    for (int r = 0; r < rows; r++) {
      int from = x.at + r / RowBlocks.ROWS * x.stride + r % RowBlocks.ROWS;
      multiplyRow(tile, r * PanelLayout.COLUMNS, x.data, from, RowBlocks.ROWS, w, inner);
    }
  }

  @Override
  public int groups(int rows) {
    return 1;
  }

  @Override
  public boolean fuses(PanelLayout layout) {
    return false;
  }

  @Override
  public void multiplyRow(
      float[] tile, Block x, PanelPiece piece, float[] scales, Block w, Ahead ahead) {
    decode(piece, scales, w);
    multiplyRow(tile, 0, x.data, x.at, 1, w, piece.inner);
  }

  private static void multiplyRow(
      float[] tile, int to, float[] x, int xAt, int step, Block w, int inner) {
    for (int k = 0; k < inner; k++) {
      float factor = x[xAt + k * step];
      int from = w.at + k * PanelLayout.COLUMNS;
      for (int c = 0; c < PanelLayout.COLUMNS; c++) {
        tile[to + c] = Math.fma(factor, w.data[from + c], tile[to + c]);
      }
    }
  }

  @Override
  public float sumOfSquares(float[] x, int at, int count) {
    float[] partial = new float[PARTIAL_SUMS];
    for (int i = 0; i < count; i++) {
      float value = x[at + i];
      partial[i % PARTIAL_SUMS] = Math.fma(value, value, partial[i % PARTIAL_SUMS]);
    }
    return sum(partial);
  }

  /** Adds the partial sums as a binary tree, in place. */
  static float sum(float[] partial) {
    for (int width = PARTIAL_SUMS / 2; width > 0; width /= 2) {
      for (int i = 0; i < width; i++) {
        partial[i] += partial[i + width];
      }
    }
    return partial[0];
  }

  @Override
  public void scale(
      float[] y, int yAt, float[] x, int xAt, float[] weight, float scale, int count) {
    for (int i = 0; i < count; i++) {
      y[yAt + i] = x[xAt + i] * scale * weight[i];
    }
  }

  @Override
  public void add(float[] y, int yAt, float[] x, int xAt, int count) {
    for (int i = 0; i < count; i++) {
      y[yAt + i] += x[xAt + i];
    }
  }

  @Override
  public void siluMultiply(float[] gate, float[] up, int count) {
    for (int i = 0; i < count; i++) {
      gate[i] = FastExp.silu(gate[i]) * up[i];
    }
  }

  @Override
  public float softmaxNumerators(float[] x, int at, int count) {
    float largest = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, x[at + i]);
    }
    float[] partial = new float[PARTIAL_SUMS];
    for (int i = 0; i < count; i++) {
      x[at + i] = FastExp.exp(x[at + i] - largest);
      partial[i % PARTIAL_SUMS] += x[at + i];
    }
    int padded = (count + PARTIAL_SUMS - 1) / PARTIAL_SUMS * PARTIAL_SUMS;
    Arrays.fill(x, at + count, at + padded, 0);
    return sum(partial);
  }
}
