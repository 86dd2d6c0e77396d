package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Codes that lie in planes ({@link PanelLayout}), to floats or at once into the product with one
 * row. A product of scale and code is exact, so a separate addition rounds as a fused one would,
 * and leaves m in its register.
 *
 * <p>Four vectors side by side, straight-line for the reasons of {@link VectorProduct}: with fewer
 * the loop itself costs more than what it saves, and sums, scales, minima and the mask fill 16
 * registers. Where two vectors are all columns, four are those of two inputs.
 */
final class VectorPlanes {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  private static final boolean TWO_INPUTS = 2 * LANES == COLUMNS;

  /** Words from a step to the next: of one input or two. */
  private static final int STEP = Math.max(COLUMNS, 4 * LANES);

  private VectorPlanes() {}

  /** w[wAt + k · 32 + c] of a piece; {@code s}: scratch for the scales of a block. */
  static void decode(PanelPiece piece, float[] s, float[] w, int wAt) {
    PlaneRun run = new PlaneRun(piece);
    while (run.next()) {
      scales(piece, run.scales, s);
      int to = wAt + run.done * COLUMNS;
      for (int c = 0; c < COLUMNS; c += 4 * LANES) {
        if (run.top) {
          decodeTop(w, to, c, piece.words, s, run);
        } else {
          decode(w, to, c, piece.words, s, run);
        }
      }
    }
  }

  /** See {@link PanelMath#multiplyRow}; {@code ahead} gets a turn for each block. */
  static void multiplyRow(
      float[] tile, float[] x, int xAt, PanelPiece piece, float[] s, Ahead ahead) {
    PlaneRun run = new PlaneRun(piece);
    while (run.next()) {
      if (run.scales >= 0) {
        ahead.some();
      }
      scales(piece, run.scales, s);
      int at = xAt + run.done;
      for (int c = 0; c < COLUMNS; c += 4 * LANES) {
        if (TWO_INPUTS) {
          if (run.top) {
            multiplyTwoInputsTop(tile, x, at, piece.words, s, run);
          } else {
            multiplyTwoInputs(tile, x, at, piece.words, s, run);
          }
        } else if (run.top) {
          multiplyTop(tile, c, x, at, piece.words, s, run);
        } else {
          multiply(tile, c, x, at, piece.words, s, run);
        }
      }
    }
  }

  /** d and m of a block's columns, if the run begins one. */
  private static void scales(PanelPiece piece, int at, float[] s) {
    if (at < 0) {
      return;
    }
    if (piece.layout.kind() == PanelLayout.Kind.NIBBLE_MIN) {
      VectorDecode.scalesAndMinima(piece.words, at, s, 0);
      return;
    }
    VectorDecode.pairedScales(piece.words, at, s, 0);
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector.fromArray(F, s, c).mul(piece.layout.zero()).intoArray(s, COLUMNS + c);
    }
  }

  /** One row times a run: tile[c ..] of four vectors. */
  private static void multiply(
      float[] y, int c, float[] x, int xAt, int[] words, float[] s, PlaneRun run) {
    FloatVector a0 = FloatVector.fromArray(F, y, c);
    FloatVector a1 = FloatVector.fromArray(F, y, c + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, c + 2 * LANES);
    FloatVector a3 = FloatVector.fromArray(F, y, c + 3 * LANES);
    FloatVector d0 = FloatVector.fromArray(F, s, c).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, c + LANES).mul(run.factor);
    FloatVector d2 = FloatVector.fromArray(F, s, c + 2 * LANES).mul(run.factor);
    FloatVector d3 = FloatVector.fromArray(F, s, c + 3 * LANES).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS + c);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + c + LANES);
    FloatVector m2 = FloatVector.fromArray(F, s, COLUMNS + c + 2 * LANES);
    FloatVector m3 = FloatVector.fromArray(F, s, COLUMNS + c + 3 * LANES);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes + c;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1);
    for (int k = 0; k < end; k++) {
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      int q = codes + k * COLUMNS;
      FloatVector w0 = (FloatVector) IntVector.fromArray(I, words, q).and(mask).convert(I2F, 0);
      a0 = v.fma(w0.mul(d0).add(m0), a0);
      FloatVector w1 =
          (FloatVector) IntVector.fromArray(I, words, q + LANES).and(mask).convert(I2F, 0);
      a1 = v.fma(w1.mul(d1).add(m1), a1);
      FloatVector w2 =
          (FloatVector) IntVector.fromArray(I, words, q + 2 * LANES).and(mask).convert(I2F, 0);
      a2 = v.fma(w2.mul(d2).add(m2), a2);
      FloatVector w3 =
          (FloatVector) IntVector.fromArray(I, words, q + 3 * LANES).and(mask).convert(I2F, 0);
      a3 = v.fma(w3.mul(d3).add(m3), a3);
    }
    a0.intoArray(y, c);
    a1.intoArray(y, c + LANES);
    a2.intoArray(y, c + 2 * LANES);
    a3.intoArray(y, c + 3 * LANES);
  }

  /** The same for the uppermost plane. */
  private static void multiplyTop(
      float[] y, int c, float[] x, int xAt, int[] words, float[] s, PlaneRun run) {
    FloatVector a0 = FloatVector.fromArray(F, y, c);
    FloatVector a1 = FloatVector.fromArray(F, y, c + LANES);
    FloatVector a2 = FloatVector.fromArray(F, y, c + 2 * LANES);
    FloatVector a3 = FloatVector.fromArray(F, y, c + 3 * LANES);
    FloatVector d0 = FloatVector.fromArray(F, s, c).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, c + LANES).mul(run.factor);
    FloatVector d2 = FloatVector.fromArray(F, s, c + 2 * LANES).mul(run.factor);
    FloatVector d3 = FloatVector.fromArray(F, s, c + 3 * LANES).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS + c);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + c + LANES);
    FloatVector m2 = FloatVector.fromArray(F, s, COLUMNS + c + 2 * LANES);
    FloatVector m3 = FloatVector.fromArray(F, s, COLUMNS + c + 3 * LANES);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes + c;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1);
    for (int k = 0; k < end; k++) {
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      int q = codes + k * COLUMNS;
      FloatVector w0 =
          (FloatVector)
              IntVector.fromArray(I, words, q)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a0 = v.fma(w0.mul(d0).add(m0), a0);
      FloatVector w1 =
          (FloatVector)
              IntVector.fromArray(I, words, q + LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a1 = v.fma(w1.mul(d1).add(m1), a1);
      FloatVector w2 =
          (FloatVector)
              IntVector.fromArray(I, words, q + 2 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a2 = v.fma(w2.mul(d2).add(m2), a2);
      FloatVector w3 =
          (FloatVector)
              IntVector.fromArray(I, words, q + 3 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a3 = v.fma(w3.mul(d3).add(m3), a3);
    }
    a0.intoArray(y, c);
    a1.intoArray(y, c + LANES);
    a2.intoArray(y, c + 2 * LANES);
    a3.intoArray(y, c + 3 * LANES);
  }

  /** The same where two vectors are all columns: two inputs a step, one after the other. */
  private static void multiplyTwoInputs(
      float[] y, float[] x, int xAt, int[] words, float[] s, PlaneRun run) {
    FloatVector a0 = FloatVector.fromArray(F, y, 0);
    FloatVector a1 = FloatVector.fromArray(F, y, LANES);
    FloatVector d0 = FloatVector.fromArray(F, s, 0).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, LANES).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + LANES);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1);
    for (int k = 0; k < end; k += 2) {
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      FloatVector u = FloatVector.broadcast(F, x[xAt + k + 1]);
      int q = codes + k * COLUMNS;
      FloatVector w0 = (FloatVector) IntVector.fromArray(I, words, q).and(mask).convert(I2F, 0);
      a0 = v.fma(w0.mul(d0).add(m0), a0);
      FloatVector w1 =
          (FloatVector) IntVector.fromArray(I, words, q + LANES).and(mask).convert(I2F, 0);
      a1 = v.fma(w1.mul(d1).add(m1), a1);
      FloatVector w2 =
          (FloatVector) IntVector.fromArray(I, words, q + 2 * LANES).and(mask).convert(I2F, 0);
      a0 = u.fma(w2.mul(d0).add(m0), a0);
      FloatVector w3 =
          (FloatVector) IntVector.fromArray(I, words, q + 3 * LANES).and(mask).convert(I2F, 0);
      a1 = u.fma(w3.mul(d1).add(m1), a1);
    }
    a0.intoArray(y, 0);
    a1.intoArray(y, LANES);
  }

  /** The same for the uppermost plane. */
  private static void multiplyTwoInputsTop(
      float[] y, float[] x, int xAt, int[] words, float[] s, PlaneRun run) {
    FloatVector a0 = FloatVector.fromArray(F, y, 0);
    FloatVector a1 = FloatVector.fromArray(F, y, LANES);
    FloatVector d0 = FloatVector.fromArray(F, s, 0).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, LANES).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + LANES);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1);
    for (int k = 0; k < end; k += 2) {
      FloatVector v = FloatVector.broadcast(F, x[xAt + k]);
      FloatVector u = FloatVector.broadcast(F, x[xAt + k + 1]);
      int q = codes + k * COLUMNS;
      FloatVector w0 =
          (FloatVector)
              IntVector.fromArray(I, words, q)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a0 = v.fma(w0.mul(d0).add(m0), a0);
      FloatVector w1 =
          (FloatVector)
              IntVector.fromArray(I, words, q + LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a1 = v.fma(w1.mul(d1).add(m1), a1);
      FloatVector w2 =
          (FloatVector)
              IntVector.fromArray(I, words, q + 2 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a0 = u.fma(w2.mul(d0).add(m0), a0);
      FloatVector w3 =
          (FloatVector)
              IntVector.fromArray(I, words, q + 3 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      a1 = u.fma(w3.mul(d1).add(m1), a1);
    }
    a0.intoArray(y, 0);
    a1.intoArray(y, LANES);
  }

  /** Four vectors from c on. */
  private static void decode(float[] w, int wAt, int c, int[] words, float[] s, PlaneRun run) {
    FloatVector d0 = FloatVector.fromArray(F, s, c).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, c + LANES).mul(run.factor);
    FloatVector d2 = FloatVector.fromArray(F, s, (c + 2 * LANES) % COLUMNS).mul(run.factor);
    FloatVector d3 = FloatVector.fromArray(F, s, (c + 3 * LANES) % COLUMNS).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS + c);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + c + LANES);
    FloatVector m2 = FloatVector.fromArray(F, s, COLUMNS + (c + 2 * LANES) % COLUMNS);
    FloatVector m3 = FloatVector.fromArray(F, s, COLUMNS + (c + 3 * LANES) % COLUMNS);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes + c;
    int to = wAt + c;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1) * COLUMNS;
    for (int i = 0; i < end; i += STEP) {
      FloatVector w0 =
          (FloatVector) IntVector.fromArray(I, words, codes + i).and(mask).convert(I2F, 0);
      w0.mul(d0).add(m0).intoArray(w, to + i);
      FloatVector w1 =
          (FloatVector) IntVector.fromArray(I, words, codes + i + LANES).and(mask).convert(I2F, 0);
      w1.mul(d1).add(m1).intoArray(w, to + i + LANES);
      FloatVector w2 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i + 2 * LANES).and(mask).convert(I2F, 0);
      w2.mul(d2).add(m2).intoArray(w, to + i + 2 * LANES);
      FloatVector w3 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i + 3 * LANES).and(mask).convert(I2F, 0);
      w3.mul(d3).add(m3).intoArray(w, to + i + 3 * LANES);
    }
  }

  /** The same for the uppermost plane. */
  private static void decodeTop(float[] w, int wAt, int c, int[] words, float[] s, PlaneRun run) {
    FloatVector d0 = FloatVector.fromArray(F, s, c).mul(run.factor);
    FloatVector d1 = FloatVector.fromArray(F, s, c + LANES).mul(run.factor);
    FloatVector d2 = FloatVector.fromArray(F, s, (c + 2 * LANES) % COLUMNS).mul(run.factor);
    FloatVector d3 = FloatVector.fromArray(F, s, (c + 3 * LANES) % COLUMNS).mul(run.factor);
    FloatVector m0 = FloatVector.fromArray(F, s, COLUMNS + c);
    FloatVector m1 = FloatVector.fromArray(F, s, COLUMNS + c + LANES);
    FloatVector m2 = FloatVector.fromArray(F, s, COLUMNS + (c + 2 * LANES) % COLUMNS);
    FloatVector m3 = FloatVector.fromArray(F, s, COLUMNS + (c + 3 * LANES) % COLUMNS);
    IntVector mask = IntVector.broadcast(I, run.mask);
    int codes = run.codes + c;
    int to = wAt + c;
    int end = Objects.checkIndex(run.count, VectorProduct.MOST_INNER + 1) * COLUMNS;
    for (int i = 0; i < end; i += STEP) {
      FloatVector w0 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      w0.mul(d0).add(m0).intoArray(w, to + i);
      FloatVector w1 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i + LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      w1.mul(d1).add(m1).intoArray(w, to + i + LANES);
      FloatVector w2 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i + 2 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      w2.mul(d2).add(m2).intoArray(w, to + i + 2 * LANES);
      FloatVector w3 =
          (FloatVector)
              IntVector.fromArray(I, words, codes + i + 3 * LANES)
                  .lanewise(LSHR, PlaneRun.TOP_SHIFT)
                  .and(mask)
                  .convert(I2F, 0);
      w3.mul(d3).add(m3).intoArray(w, to + i + 3 * LANES);
    }
  }
}
