package io.sailfish.kernels.cpu;

import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Small matrix products: rows × two vectors of accumulators held in registers over all of k. Every
 * accumulator is one chain of fused multiply-adds, so neither rows nor width change a bit.
 *
 * <p>Straight-line on purpose, and long for it: accumulators in an array, or a method of ours that
 * takes or returns a vector and that HotSpot then does not inline, turn every vector into an
 * object. Six rows by two vectors leave one of the 16 AVX2 registers.
 */
final class VectorProduct {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  private VectorProduct() {}

  /** See {@link PanelMath#multiply}. */
  static void multiply(
      PanelMath.Block tile, PanelMath.Block x, PanelMath.Block w, int rows, int cols, int inner) {
    for (int c = 0; c < cols; c += 2 * LANES) {
      if (c + 2 * LANES > cols) {
        oneVector(tile, x, w, rows, c, inner);
        return;
      }
      for (int r = 0; r < rows; ) {
        int left = rows - r;
        if (left >= 6 && left != 8) {
          six(tile, x, w, r, c, inner);
          r += 6;
        } else if (left >= 4) {
          four(tile, x, w, r, c, inner);
          r += 4;
        } else if (left == 3) {
          three(tile, x, w, r, c, inner);
          r += 3;
        } else if (left == 2) {
          two(tile, x, w, r, c, inner);
          r += 2;
        } else {
          one(tile, x, w, r, c, inner);
          r++;
        }
      }
    }
  }

  /**
   * Most inputs k of a {@link #group}. Around a loop of more than 100 turns HotSpot puts another
   * for its safepoints ({@code LoopStripMiningIterShortLoop}); what that one has to remember took
   * the inner loop its registers in two of three runs, and cost it a third of its speed. The check
   * of the end shows that there are fewer.
   */
  static final int MOST_INNER = 96;

  /**
   * A group of four rows of {@link RowBlocks} times two vectors of a decoded panel.
   *
   * <p>Where instructions can be handed out counts, not the arithmetic, as soon as another guest of
   * the machine runs on the same core: so both arrays go on by the same step, and the check lets
   * the compiler leave the loop's count in one register.
   *
   * @param yAt first element in the tile, whose rows are {@link PanelLayout#COLUMNS} wide
   * @param xAt the group's first factor
   * @param wAt first weight of the columns
   * @param inner at most {@link #MOST_INNER}
   */
  static void group(float[] y, int yAt, float[] x, int xAt, float[] w, int wAt, int inner) {
    FloatVector a0 = FloatVector.fromArray(F, y, yAt);
    FloatVector b0 = FloatVector.fromArray(F, y, yAt + LANES);
    FloatVector a1 = FloatVector.fromArray(F, y, yAt + COLUMNS);
    FloatVector b1 = FloatVector.fromArray(F, y, yAt + COLUMNS + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, yAt + 2 * COLUMNS);
    FloatVector b2 = FloatVector.fromArray(F, y, yAt + 2 * COLUMNS + LANES);
    FloatVector a3 = FloatVector.fromArray(F, y, yAt + 3 * COLUMNS);
    FloatVector b3 = FloatVector.fromArray(F, y, yAt + 3 * COLUMNS + LANES);
    int end = Objects.checkIndex(inner, MOST_INNER + 1) * COLUMNS;
    for (int i = 0; i < end; i += COLUMNS) {
      FloatVector wa = FloatVector.fromArray(F, w, wAt + i);
      FloatVector wb = FloatVector.fromArray(F, w, wAt + i + LANES);
      FloatVector v = FloatVector.broadcast(F, x[xAt + i]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
      v = FloatVector.broadcast(F, x[xAt + i + 1]);
      a1 = v.fma(wa, a1);
      b1 = v.fma(wb, b1);
      v = FloatVector.broadcast(F, x[xAt + i + 2]);
      a2 = v.fma(wa, a2);
      b2 = v.fma(wb, b2);
      v = FloatVector.broadcast(F, x[xAt + i + 3]);
      a3 = v.fma(wa, a3);
      b3 = v.fma(wb, b3);
    }
    a0.intoArray(y, yAt);
    b0.intoArray(y, yAt + LANES);
    a1.intoArray(y, yAt + COLUMNS);
    b1.intoArray(y, yAt + COLUMNS + LANES);
    a2.intoArray(y, yAt + 2 * COLUMNS);
    b2.intoArray(y, yAt + 2 * COLUMNS + LANES);
    a3.intoArray(y, yAt + 3 * COLUMNS);
    b3.intoArray(y, yAt + 3 * COLUMNS + LANES);
  }

  /** One row times four vectors of a decoded panel: as many sums in flight, of 16 columns or 32. */
  static void rowByFour(float[] y, int yAt, float[] x, int xAt, float[] w, int wAt, int inner) {
    FloatVector a = FloatVector.fromArray(F, y, yAt);
    FloatVector b = FloatVector.fromArray(F, y, yAt + LANES);
    FloatVector c = FloatVector.fromArray(F, y, yAt + 2 * LANES);
    FloatVector d = FloatVector.fromArray(F, y, yAt + 3 * LANES);
    int end = Objects.checkIndex(inner, MOST_INNER + 1);
    for (int k = 0; k < end; k++) {
      int from = wAt + k * COLUMNS;
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      a = v.fma(FloatVector.fromArray(F, w, from), a);
      b = v.fma(FloatVector.fromArray(F, w, from + LANES), b);
      c = v.fma(FloatVector.fromArray(F, w, from + 2 * LANES), c);
      d = v.fma(FloatVector.fromArray(F, w, from + 3 * LANES), d);
    }
    a.intoArray(y, yAt);
    b.intoArray(y, yAt + LANES);
    c.intoArray(y, yAt + 2 * LANES);
    d.intoArray(y, yAt + 3 * LANES);
  }

  /** One row times two vectors, where two are a whole panel. */
  static void rowByTwo(float[] y, int yAt, float[] x, int xAt, float[] w, int wAt, int inner) {
    FloatVector a = FloatVector.fromArray(F, y, yAt);
    FloatVector b = FloatVector.fromArray(F, y, yAt + LANES);
    int end = Objects.checkIndex(inner, MOST_INNER + 1);
    for (int k = 0; k < end; k++) {
      int from = wAt + k * COLUMNS;
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      a = v.fma(FloatVector.fromArray(F, w, from), a);
      b = v.fma(FloatVector.fromArray(F, w, from + LANES), b);
    }
    a.intoArray(y, yAt);
    b.intoArray(y, yAt + LANES);
  }

  private static void six(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int r, int c, int inner) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int from = ws.at + c;
    int y0 = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    int y1 = y0 + tile.stride;
    int x1 = x0 + xs.stride;
    int y2 = y1 + tile.stride;
    int x2 = x1 + xs.stride;
    int y3 = y2 + tile.stride;
    int x3 = x2 + xs.stride;
    int y4 = y3 + tile.stride;
    int x4 = x3 + xs.stride;
    int y5 = y4 + tile.stride;
    int x5 = x4 + xs.stride;
    FloatVector a0 = FloatVector.fromArray(F, y, y0);
    FloatVector b0 = FloatVector.fromArray(F, y, y0 + LANES);
    FloatVector a1 = FloatVector.fromArray(F, y, y1);
    FloatVector b1 = FloatVector.fromArray(F, y, y1 + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, y2);
    FloatVector b2 = FloatVector.fromArray(F, y, y2 + LANES);
    FloatVector a3 = FloatVector.fromArray(F, y, y3);
    FloatVector b3 = FloatVector.fromArray(F, y, y3 + LANES);
    FloatVector a4 = FloatVector.fromArray(F, y, y4);
    FloatVector b4 = FloatVector.fromArray(F, y, y4 + LANES);
    FloatVector a5 = FloatVector.fromArray(F, y, y5);
    FloatVector b5 = FloatVector.fromArray(F, y, y5 + LANES);
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * wStride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * wStride + LANES);
      FloatVector v = FloatVector.broadcast(F, x[x0 + k]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
      v = FloatVector.broadcast(F, x[x1 + k]);
      a1 = v.fma(wa, a1);
      b1 = v.fma(wb, b1);
      v = FloatVector.broadcast(F, x[x2 + k]);
      a2 = v.fma(wa, a2);
      b2 = v.fma(wb, b2);
      v = FloatVector.broadcast(F, x[x3 + k]);
      a3 = v.fma(wa, a3);
      b3 = v.fma(wb, b3);
      v = FloatVector.broadcast(F, x[x4 + k]);
      a4 = v.fma(wa, a4);
      b4 = v.fma(wb, b4);
      v = FloatVector.broadcast(F, x[x5 + k]);
      a5 = v.fma(wa, a5);
      b5 = v.fma(wb, b5);
    }
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
    a1.intoArray(y, y1);
    b1.intoArray(y, y1 + LANES);
    a2.intoArray(y, y2);
    b2.intoArray(y, y2 + LANES);
    a3.intoArray(y, y3);
    b3.intoArray(y, y3 + LANES);
    a4.intoArray(y, y4);
    b4.intoArray(y, y4 + LANES);
    a5.intoArray(y, y5);
    b5.intoArray(y, y5 + LANES);
  }

  private static void four(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int r, int c, int inner) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int from = ws.at + c;
    int y0 = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    int y1 = y0 + tile.stride;
    int x1 = x0 + xs.stride;
    int y2 = y1 + tile.stride;
    int x2 = x1 + xs.stride;
    int y3 = y2 + tile.stride;
    int x3 = x2 + xs.stride;
    FloatVector a0 = FloatVector.fromArray(F, y, y0);
    FloatVector b0 = FloatVector.fromArray(F, y, y0 + LANES);
    FloatVector a1 = FloatVector.fromArray(F, y, y1);
    FloatVector b1 = FloatVector.fromArray(F, y, y1 + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, y2);
    FloatVector b2 = FloatVector.fromArray(F, y, y2 + LANES);
    FloatVector a3 = FloatVector.fromArray(F, y, y3);
    FloatVector b3 = FloatVector.fromArray(F, y, y3 + LANES);
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * wStride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * wStride + LANES);
      FloatVector v = FloatVector.broadcast(F, x[x0 + k]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
      v = FloatVector.broadcast(F, x[x1 + k]);
      a1 = v.fma(wa, a1);
      b1 = v.fma(wb, b1);
      v = FloatVector.broadcast(F, x[x2 + k]);
      a2 = v.fma(wa, a2);
      b2 = v.fma(wb, b2);
      v = FloatVector.broadcast(F, x[x3 + k]);
      a3 = v.fma(wa, a3);
      b3 = v.fma(wb, b3);
    }
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
    a1.intoArray(y, y1);
    b1.intoArray(y, y1 + LANES);
    a2.intoArray(y, y2);
    b2.intoArray(y, y2 + LANES);
    a3.intoArray(y, y3);
    b3.intoArray(y, y3 + LANES);
  }

  private static void three(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int r, int c, int inner) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int from = ws.at + c;
    int y0 = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    int y1 = y0 + tile.stride;
    int x1 = x0 + xs.stride;
    int y2 = y1 + tile.stride;
    int x2 = x1 + xs.stride;
    FloatVector a0 = FloatVector.fromArray(F, y, y0);
    FloatVector b0 = FloatVector.fromArray(F, y, y0 + LANES);
    FloatVector a1 = FloatVector.fromArray(F, y, y1);
    FloatVector b1 = FloatVector.fromArray(F, y, y1 + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, y2);
    FloatVector b2 = FloatVector.fromArray(F, y, y2 + LANES);
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * wStride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * wStride + LANES);
      FloatVector v = FloatVector.broadcast(F, x[x0 + k]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
      v = FloatVector.broadcast(F, x[x1 + k]);
      a1 = v.fma(wa, a1);
      b1 = v.fma(wb, b1);
      v = FloatVector.broadcast(F, x[x2 + k]);
      a2 = v.fma(wa, a2);
      b2 = v.fma(wb, b2);
    }
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
    a1.intoArray(y, y1);
    b1.intoArray(y, y1 + LANES);
    a2.intoArray(y, y2);
    b2.intoArray(y, y2 + LANES);
  }

  private static void two(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int r, int c, int inner) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int from = ws.at + c;
    int y0 = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    int y1 = y0 + tile.stride;
    int x1 = x0 + xs.stride;
    FloatVector a0 = FloatVector.fromArray(F, y, y0);
    FloatVector b0 = FloatVector.fromArray(F, y, y0 + LANES);
    FloatVector a1 = FloatVector.fromArray(F, y, y1);
    FloatVector b1 = FloatVector.fromArray(F, y, y1 + LANES);
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * wStride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * wStride + LANES);
      FloatVector v = FloatVector.broadcast(F, x[x0 + k]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
      v = FloatVector.broadcast(F, x[x1 + k]);
      a1 = v.fma(wa, a1);
      b1 = v.fma(wb, b1);
    }
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
    a1.intoArray(y, y1);
    b1.intoArray(y, y1 + LANES);
  }

  private static void one(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int r, int c, int inner) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int from = ws.at + c;
    int y0 = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    FloatVector a0 = FloatVector.fromArray(F, y, y0);
    FloatVector b0 = FloatVector.fromArray(F, y, y0 + LANES);
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * wStride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * wStride + LANES);
      FloatVector v = FloatVector.broadcast(F, x[x0 + k]);
      a0 = v.fma(wa, a0);
      b0 = v.fma(wb, b0);
    }
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
  }

  /** A last column of tiles, where a tile is 16 wide and so is a vector. */
  private static void oneVector(
      PanelMath.Block tile, PanelMath.Block xs, PanelMath.Block ws, int rows, int c, int inner) {
    for (int r = 0; r < rows; r++) {
      int at = tile.at + r * tile.stride + c;
      int x0 = xs.at + r * xs.stride;
      FloatVector a = FloatVector.fromArray(F, tile.data, at);
      for (int k = 0; k < inner; k++) {
        FloatVector v = FloatVector.broadcast(F, xs.data[x0 + k]);
        a = v.fma(FloatVector.fromArray(F, ws.data, ws.at + c + k * ws.stride), a);
      }
      a.intoArray(tile.data, at);
    }
  }
}
