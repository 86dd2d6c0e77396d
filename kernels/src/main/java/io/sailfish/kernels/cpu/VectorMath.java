package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.LSHL;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link PanelMath} with {@code jdk.incubator.vector}. Loaded only where the module is there. */
final class VectorMath implements PanelMath {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  /** Values of an exponential that are worked on at once, so that they stay in the cache. */
  private static final int PASS = 512;

  @Override
  public String describe() {
    return "%d-bit vectors".formatted(F.vectorBitSize());
  }

  @Override
  public void decode(PanelPiece piece, float[] scales, Block w) {
    PanelLayout layout = piece.layout;
    int at = piece.at + piece.from / layout.unitInner() * layout.unitWords();
    switch (layout.kind()) {
      case FLOAT -> VectorDecode.floats(piece.words, at, piece.inner * COLUMNS, w.data, w.at);
      case HALF -> VectorDecode.halves(piece.words, at, piece.inner, w.data, w.at);
      case BFLOAT -> VectorDecode.brainFloats(piece.words, at, piece.inner, w.data, w.at);
      case BYTE, NIBBLE, NIBBLE_MIN -> VectorPlanes.decode(piece, scales, w.data, w.at);
      case WORDS -> decodeWords(piece, at, scales, w);
      case ENCODED -> {
        for (int c = 0; c < COLUMNS; c++) {
          layout.decodeColumn(piece, c, w.data, w.at + c, COLUMNS);
        }
      }
    }
  }

  private static void decodeWords(PanelPiece piece, int at, float[] scales, Block w) {
    PanelLayout layout = piece.layout;
    for (int unit = 0; unit < piece.inner / layout.unitInner(); unit++) {
      int from = at + unit * layout.unitWords();
      int to = w.at + unit * layout.unitInner() * COLUMNS;
      if (layout.unitInner() == 32) {
        VectorBlocks.decode(layout.format(), piece.words, from, scales, w.data, to);
      } else {
        VectorSuperBlocks.decode(layout.format(), piece.words, from, scales, w.data, to);
      }
    }
  }

  @Override
  public void multiply(Block tile, Block x, Block w, int rows, int cols, int inner) {
    VectorProduct.multiply(tile, x, w, rows, cols, inner);
  }

  @Override
  public void multiplyGroups(float[] tile, Block x, Block w, int rows, int inner, Ahead ahead) {
    // Block by block: its factors and the panel's weights stay in the first-level cache together.
    for (int first = 0; first < rows; first += RowBlocks.ROWS) {
      int from = x.at + first / RowBlocks.ROWS * x.stride;
      int count = Math.min(rows - first, RowBlocks.ROWS);
      for (int c = 0; c < COLUMNS; c += 2 * LANES) {
        for (int r = 0; r < count; r += RowBlocks.GROUP) {
          int to = (first + r) * COLUMNS + c;
          for (int k = 0; k < inner; k += VectorProduct.MOST_INNER) {
            int piece = Math.min(inner - k, VectorProduct.MOST_INNER);
            int step = k * COLUMNS;
            VectorProduct.group(tile, to, x.data, from + r + step, w.data, w.at + c + step, piece);
          }
          ahead.some();
        }
      }
    }
  }

  @Override
  public int groups(int rows) {
    return RowBlocks.padded(rows) / RowBlocks.GROUP * (COLUMNS / (2 * LANES));
  }

  @Override
  public boolean fuses(PanelLayout layout) {
    return layout.inPlanes();
  }

  @Override
  public void multiplyRow(
      float[] tile, Block x, PanelPiece piece, float[] scales, Block w, Ahead ahead) {
    if (fuses(piece.layout)) {
      VectorPlanes.multiplyRow(tile, x.data, x.at, piece, scales, ahead);
      return;
    }
    ahead.some();
    decode(piece, scales, w);
    ahead.some();
    for (int c = 0; c < COLUMNS; c += 4 * LANES) {
      for (int k = 0; k < piece.inner; k += VectorProduct.MOST_INNER) {
        int count = Math.min(piece.inner - k, VectorProduct.MOST_INNER);
        int from = w.at + k * COLUMNS + c;
        if (c + 4 * LANES <= COLUMNS) {
          VectorProduct.rowByFour(tile, c, x.data, x.at + k, w.data, from, count);
        } else {
          VectorProduct.rowByTwo(tile, c, x.data, x.at + k, w.data, from, count);
        }
      }
    }
  }

  @Override
  public float sumOfSquares(float[] x, int at, int count) {
    float[] partial = new float[PARTIAL_SUMS];
    int whole = count - count % PARTIAL_SUMS;
    for (int lane = 0; lane < PARTIAL_SUMS; lane += LANES) {
      FloatVector sum = FloatVector.zero(F);
      for (int i = lane; i < whole; i += PARTIAL_SUMS) {
        FloatVector v = FloatVector.fromArray(F, x, at + i);
        sum = v.fma(v, sum);
      }
      sum.intoArray(partial, lane);
    }
    for (int i = whole; i < count; i++) {
      partial[i - whole] = Math.fma(x[at + i], x[at + i], partial[i - whole]);
    }
    return PlainMath.sum(partial);
  }

  @Override
  public void scale(
      float[] y, int yAt, float[] x, int xAt, float[] weight, float scale, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
      FloatVector v = FloatVector.fromArray(F, x, xAt + i).mul(scale);
      v.mul(FloatVector.fromArray(F, weight, i)).intoArray(y, yAt + i);
    }
    for (; i < count; i++) {
      y[yAt + i] = x[xAt + i] * scale * weight[i];
    }
  }

  @Override
  public void add(float[] y, int yAt, float[] x, int xAt, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
      FloatVector v = FloatVector.fromArray(F, y, yAt + i);
      v.add(FloatVector.fromArray(F, x, xAt + i)).intoArray(y, yAt + i);
    }
    for (; i < count; i++) {
      y[yAt + i] += x[xAt + i];
    }
  }

  @Override
  public void siluMultiply(float[] gate, float[] up, int count) {
    float[] denominators = new float[PASS];
    for (int from = 0; from < count; from += PASS) {
      int end = Math.min(count, from + PASS);
      for (int i = from; i < end; i += LANES) {
        FloatVector.fromArray(F, gate, i).neg().intoArray(denominators, i - from);
      }
      exp(denominators, 0, end - from);
      for (int i = from; i < end; i += LANES) {
        FloatVector e = FloatVector.fromArray(F, denominators, i - from);
        FloatVector silu = FloatVector.fromArray(F, gate, i).div(e.add(1f));
        silu.mul(FloatVector.fromArray(F, up, i)).intoArray(gate, i);
      }
    }
  }

  @Override
  public float softmaxNumerators(float[] x, int at, int count) {
    float largest = largest(x, at, count);
    int padded = (count + PARTIAL_SUMS - 1) / PARTIAL_SUMS * PARTIAL_SUMS;
    for (int i = at; i < at + padded; i += LANES) {
      FloatVector.fromArray(F, x, i).sub(largest).intoArray(x, i);
    }
    exp(x, at, padded);
    Arrays.fill(x, at + count, at + padded, 0);
    float[] partial = new float[PARTIAL_SUMS];
    for (int lane = 0; lane < PARTIAL_SUMS; lane += LANES) {
      FloatVector sum = FloatVector.zero(F);
      for (int i = lane; i < padded; i += PARTIAL_SUMS) {
        sum = sum.add(FloatVector.fromArray(F, x, at + i));
      }
      sum.intoArray(partial, lane);
    }
    return PlainMath.sum(partial);
  }

  /** The order of a maximum does not matter. */
  private static float largest(float[] x, int at, int count) {
    FloatVector most = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
      most = most.max(FloatVector.fromArray(F, x, at + i));
    }
    float largest = most.reduceLanes(VectorOperators.MAX);
    for (; i < count; i++) {
      largest = Math.max(largest, x[at + i]);
    }
    return largest;
  }

  /** {@link FastExp#exp}, the same operations, in place; {@code count} is a multiple of 16. */
  private static void exp(float[] x, int at, int count) {
    FloatVector rounder = FloatVector.broadcast(F, FastExp.ROUNDER);
    for (int i = at; i < at + count; i += LANES) {
      FloatVector a = FloatVector.fromArray(F, x, i).max(FastExp.LOWEST).min(FastExp.HIGHEST);
      FloatVector shifted = a.fma(FloatVector.broadcast(F, FastExp.LOG2_E), rounder);
      FloatVector n = shifted.sub(rounder);
      FloatVector r = n.fma(FloatVector.broadcast(F, -FastExp.LN2_HIGH), a);
      r = n.fma(FloatVector.broadcast(F, -FastExp.LN2_LOW), r);
      FloatVector p = FloatVector.broadcast(F, FastExp.C5);
      p = p.fma(r, FloatVector.broadcast(F, FastExp.C4));
      p = p.fma(r, FloatVector.broadcast(F, FastExp.C3));
      p = p.fma(r, FloatVector.broadcast(F, FastExp.C2));
      p = p.fma(r, FloatVector.broadcast(F, FastExp.C1));
      p = p.fma(r, FloatVector.broadcast(F, FastExp.C0));
      FloatVector e = p.fma(r.mul(r), r.add(1f));
      IntVector power = shifted.reinterpretAsInts().lanewise(LSHL, 23);
      e.reinterpretAsInts().add(power).reinterpretAsFloats().intoArray(x, i);
    }
  }
}
