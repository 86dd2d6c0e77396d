package io.sailfish.kernels.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Small matrix products: rows × two vectors of accumulators held in registers over all of k. Every
 * accumulator is one chain of fused multiply-adds, so neither rows nor width change a bit.
 *
 * <p>Straight-line on purpose: accumulators in an array, or a helper that stores them in a loop,
 * turn every vector into an object. Six rows by two vectors leave one of the 16 AVX2 registers.
 */
final class VectorProduct {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final int LANES = F.length();

  private VectorProduct() {}

  static void multiply(
      PanelMath.Block tile,
      PanelMath.Block x,
      PanelMath.Block w,
      int rows,
      int cols,
      int inner,
      boolean fresh) {
    for (int c = 0; c < cols; c += 2 * LANES) {
      if (c + 2 * LANES > cols) {
        oneVector(tile, x, w, rows, c, inner, fresh);
        return;
      }
      int r = 0;
      while (r < rows) {
        int left = rows - r;
        if (left >= 6 && left != 8) {
          six(tile, x, w, r, c, inner, fresh);
          r += 6;
        } else if (left >= 4) {
          four(tile, x, w, r, c, inner, fresh);
          r += 4;
        } else if (left >= 2) {
          two(tile, x, w, r, c, inner, fresh);
          r += 2;
        } else {
          one(tile, x, w, r, c, inner, fresh);
          r++;
        }
      }
    }
  }

  private static FloatVector start(float[] tile, int at, boolean fresh) {
    return fresh ? FloatVector.zero(F) : FloatVector.fromArray(F, tile, at);
  }

  private static void six(
      PanelMath.Block tile,
      PanelMath.Block xs,
      PanelMath.Block ws,
      int r,
      int c,
      int inner,
      boolean fresh) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int y0 = tile.at + r * tile.stride + c;
    int y1 = y0 + tile.stride;
    int y2 = y1 + tile.stride;
    int y3 = y2 + tile.stride;
    int y4 = y3 + tile.stride;
    int y5 = y4 + tile.stride;
    int x0 = xs.at + r * xs.stride;
    int x1 = x0 + xs.stride;
    int x2 = x1 + xs.stride;
    int x3 = x2 + xs.stride;
    int x4 = x3 + xs.stride;
    int x5 = x4 + xs.stride;
    FloatVector a0 = start(y, y0, fresh);
    FloatVector b0 = start(y, y0 + LANES, fresh);
    FloatVector a1 = start(y, y1, fresh);
    FloatVector b1 = start(y, y1 + LANES, fresh);
    FloatVector a2 = start(y, y2, fresh);
    FloatVector b2 = start(y, y2 + LANES, fresh);
    FloatVector a3 = start(y, y3, fresh);
    FloatVector b3 = start(y, y3 + LANES, fresh);
    FloatVector a4 = start(y, y4, fresh);
    FloatVector b4 = start(y, y4 + LANES, fresh);
    FloatVector a5 = start(y, y5, fresh);
    FloatVector b5 = start(y, y5 + LANES, fresh);
    int from = ws.at + c;
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
      PanelMath.Block tile,
      PanelMath.Block xs,
      PanelMath.Block ws,
      int r,
      int c,
      int inner,
      boolean fresh) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int wStride = ws.stride;
    int y0 = tile.at + r * tile.stride + c;
    int y1 = y0 + tile.stride;
    int y2 = y1 + tile.stride;
    int y3 = y2 + tile.stride;
    int x0 = xs.at + r * xs.stride;
    int x1 = x0 + xs.stride;
    int x2 = x1 + xs.stride;
    int x3 = x2 + xs.stride;
    FloatVector a0 = start(y, y0, fresh);
    FloatVector b0 = start(y, y0 + LANES, fresh);
    FloatVector a1 = start(y, y1, fresh);
    FloatVector b1 = start(y, y1 + LANES, fresh);
    FloatVector a2 = start(y, y2, fresh);
    FloatVector b2 = start(y, y2 + LANES, fresh);
    FloatVector a3 = start(y, y3, fresh);
    FloatVector b3 = start(y, y3 + LANES, fresh);
    int from = ws.at + c;
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

  private static void two(
      PanelMath.Block tile,
      PanelMath.Block xs,
      PanelMath.Block ws,
      int r,
      int c,
      int inner,
      boolean fresh) {
    float[] y = tile.data;
    float[] x = xs.data;
    float[] w = ws.data;
    int y0 = tile.at + r * tile.stride + c;
    int y1 = y0 + tile.stride;
    int x0 = xs.at + r * xs.stride;
    int x1 = x0 + xs.stride;
    FloatVector a0 = start(y, y0, fresh);
    FloatVector b0 = start(y, y0 + LANES, fresh);
    FloatVector a1 = start(y, y1, fresh);
    FloatVector b1 = start(y, y1 + LANES, fresh);
    int from = ws.at + c;
    for (int k = 0; k < inner; k++) {
      FloatVector wa = FloatVector.fromArray(F, w, from + k * ws.stride);
      FloatVector wb = FloatVector.fromArray(F, w, from + k * ws.stride + LANES);
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
      PanelMath.Block tile,
      PanelMath.Block xs,
      PanelMath.Block ws,
      int r,
      int c,
      int inner,
      boolean fresh) {
    float[] y = tile.data;
    float[] w = ws.data;
    int at = tile.at + r * tile.stride + c;
    int x0 = xs.at + r * xs.stride;
    FloatVector a = start(y, at, fresh);
    FloatVector b = start(y, at + LANES, fresh);
    int from = ws.at + c;
    for (int k = 0; k < inner; k++) {
      FloatVector v = FloatVector.broadcast(F, xs.data[x0 + k]);
      a = v.fma(FloatVector.fromArray(F, w, from + k * ws.stride), a);
      b = v.fma(FloatVector.fromArray(F, w, from + k * ws.stride + LANES), b);
    }
    a.intoArray(y, at);
    b.intoArray(y, at + LANES);
  }

  /** A last column of tiles, where a tile is 16 wide and so is a vector. */
  private static void oneVector(
      PanelMath.Block tile,
      PanelMath.Block xs,
      PanelMath.Block ws,
      int rows,
      int c,
      int inner,
      boolean fresh) {
    for (int r = 0; r < rows; r++) {
      int at = tile.at + r * tile.stride + c;
      int x0 = xs.at + r * xs.stride;
      FloatVector a = start(tile.data, at, fresh);
      for (int k = 0; k < inner; k++) {
        FloatVector v = FloatVector.broadcast(F, xs.data[x0 + k]);
        a = v.fma(FloatVector.fromArray(F, ws.data, ws.at + c + k * ws.stride), a);
      }
      a.intoArray(tile.data, at);
    }
  }
}
