package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Units of a panel to floats, in vectors. Methods are kept to some tens of vector operations each:
 * past that HotSpot stops inlining ({@code NodeCountInliningCutoff}) and every vector becomes an
 * object.
 */
final class VectorDecode {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  /** Sign, exponent and fraction of a half that was moved down by 3 bits, sign kept. */
  private static final int HALF_MASK = 0x8FFFE000;

  /** From a half's exponent bias of 15 to 127; exact, subnormal halves too. */
  private static final float REBIAS = 0x1p112f;

  private VectorDecode() {}

  static void floats(int[] words, int count, float[] w) {
    for (int i = 0; i < count; i += LANES) {
      IntVector.fromArray(I, words, i).reinterpretAsFloats().intoArray(w, i);
    }
  }

  static void brainFloats(int[] words, int inner, float[] w) {
    for (int k = 0; k < inner; k++) {
      for (int c = 0; c < COLUMNS / 2; c += LANES) {
        IntVector pair = IntVector.fromArray(I, words, k * COLUMNS / 2 + c);
        int to = k * COLUMNS + c;
        pair.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(w, to);
        pair.and(0xFFFF0000).reinterpretAsFloats().intoArray(w, to + COLUMNS / 2);
      }
    }
  }

  /** Halves of any value: infinities and NaN keep their meaning. */
  static void halves(int[] words, int inner, float[] w) {
    for (int k = 0; k < inner; k++) {
      for (int c = 0; c < COLUMNS / 2; c += LANES) {
        IntVector pair = IntVector.fromArray(I, words, k * COLUMNS / 2 + c);
        int to = k * COLUMNS + c;
        anyHalf(pair.lanewise(LSHL, 16)).intoArray(w, to);
        anyHalf(pair).intoArray(w, to + COLUMNS / 2);
      }
    }
  }

  private static FloatVector anyHalf(IntVector word) {
    IntVector moved = word.lanewise(ASHR, 3).and(HALF_MASK);
    FloatVector finite = moved.reinterpretAsFloats().mul(REBIAS);
    VectorMask<Integer> special = word.and(0x7C000000).compare(VectorOperators.EQ, 0x7C000000);
    IntVector bits = finite.reinterpretAsInts();
    return bits.blend(moved.lanewise(VectorOperators.OR, 0x7F800000), special)
        .reinterpretAsFloats();
  }

  /** d of each column of a unit to {@code d[at..at+32)}; d is finite (checked at packing). */
  static void pairedScales(int[] words, int from, float[] d, int at) {
    for (int c = 0; c < COLUMNS / 2; c += LANES) {
      IntVector pair = IntVector.fromArray(I, words, from + c);
      finiteHalf(pair.lanewise(LSHL, 16)).intoArray(d, at + c);
      finiteHalf(pair).intoArray(d, at + COLUMNS / 2 + c);
    }
  }

  /** d of each column to {@code d[at..at+32)}, m to the 32 floats after. */
  static void scalesAndMinima(int[] words, int from, float[] d, int at) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      IntVector pair = IntVector.fromArray(I, words, from + c);
      finiteHalf(pair.lanewise(LSHL, 16)).intoArray(d, at + c);
      finiteHalf(pair).intoArray(d, at + COLUMNS + c);
    }
  }

  /** -8d behind d: what NIBBLE has for m. */
  static void minimaOfScales(float[] d, int at) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector.fromArray(F, d, at + c).mul(-8f).intoArray(d, at + COLUMNS + c);
    }
  }

  /** The half in the upper 16 bits; what stands below does not matter. */
  private static FloatVector finiteHalf(IntVector word) {
    return word.lanewise(ASHR, 3).and(HALF_MASK).reinterpretAsFloats().mul(REBIAS);
  }

  /**
   * Codes of a nibble unit.
   *
   * @param codes first of 4 groups of 32 words
   * @param scales d of each column, then m
   * @param to first of 32 · 32 floats
   */
  static void nibbles(int[] words, int codes, float[] scales, int scalesAt, float[] w, int to) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, scales, scalesAt + c);
      FloatVector m = FloatVector.fromArray(F, scales, scalesAt + COLUMNS + c);
      for (int g = 0; g < 4; g++) {
        IntVector q = IntVector.fromArray(I, words, codes + g * COLUMNS + c);
        int row = to + g * 8 * COLUMNS + c;
        for (int j = 0; j < 8; j++) {
          FloatVector code = (FloatVector) q.and(15).convert(I2F, 0);
          code.fma(d, m).intoArray(w, row + j * COLUMNS);
          q = q.lanewise(LSHR, 4);
        }
      }
    }
  }

  /** Codes of a byte unit: 8 groups of 32 words. */
  static void bytes(int[] words, int codes, float[] scales, int scalesAt, float[] w, int to) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, scales, scalesAt + c);
      for (int g = 0; g < 8; g++) {
        IntVector q = IntVector.fromArray(I, words, codes + g * COLUMNS + c);
        int row = to + g * 4 * COLUMNS + c;
        signed(q.lanewise(LSHL, 24)).mul(d).intoArray(w, row);
        signed(q.lanewise(LSHL, 16)).mul(d).intoArray(w, row + COLUMNS);
        signed(q.lanewise(LSHL, 8)).mul(d).intoArray(w, row + 2 * COLUMNS);
        signed(q).mul(d).intoArray(w, row + 3 * COLUMNS);
      }
    }
  }

  /** The signed upper byte of each word. */
  private static FloatVector signed(IntVector word) {
    return (FloatVector) word.lanewise(ASHR, 24).convert(I2F, 0);
  }
}
