package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.OR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * Units of a panel to floats, in vectors. No method takes or returns a vector: when a caller grows
 * past some tens of vector operations HotSpot stops inlining our methods ({@code
 * NodeCountInliningCutoff}), and a vector that crosses a real call becomes an object.
 */
final class VectorDecode {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  /** Floats of scales a unit: d and m of each column. */
  static final int SCALES = 2 * COLUMNS;

  /** Sign, exponent and fraction of a half that was moved down by 3 bits, sign kept. */
  private static final int HALF_MASK = 0x8FFFE000;

  /** All ones for infinity and NaN; of a half in the upper 16 bits. */
  private static final int HALF_EXPONENT = 0x7C000000;

  /** From a half's exponent bias of 15 to 127; exact, subnormal halves too. */
  private static final float REBIAS = 0x1p112f;

  private VectorDecode() {}

  static void floats(int[] words, int at, int count, float[] w, int wAt) {
    for (int i = 0; i < count; i += LANES) {
      IntVector.fromArray(I, words, at + i).reinterpretAsFloats().intoArray(w, wAt + i);
    }
  }

  static void brainFloats(int[] words, int at, int inner, float[] w, int wAt) {
    for (int k = 0; k < inner; k++) {
      for (int c = 0; c < COLUMNS / 2; c += LANES) {
        IntVector pair = IntVector.fromArray(I, words, at + k * COLUMNS / 2 + c);
        int to = wAt + k * COLUMNS + c;
        pair.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(w, to);
        pair.and(0xFFFF0000).reinterpretAsFloats().intoArray(w, to + COLUMNS / 2);
      }
    }
  }

  /** Halves of any value: infinities and NaN keep their meaning. */
  static void halves(int[] words, int at, int inner, float[] w, int wAt) {
    for (int k = 0; k < inner; k++) {
      for (int c = 0; c < COLUMNS / 2; c += LANES) {
        IntVector pair = IntVector.fromArray(I, words, at + k * COLUMNS / 2 + c);
        int to = wAt + k * COLUMNS + c;
        pair.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(w, to);
        pair.reinterpretAsFloats().intoArray(w, to + COLUMNS / 2);
      }
    }
    for (int i = wAt; i < wAt + inner * COLUMNS; i += LANES) {
      IntVector word = FloatVector.fromArray(F, w, i).reinterpretAsInts();
      IntVector moved = word.lanewise(ASHR, 3).and(HALF_MASK);
      IntVector finite = moved.reinterpretAsFloats().mul(REBIAS).reinterpretAsInts();
      VectorMask<Integer> special = word.and(HALF_EXPONENT).compare(EQ, HALF_EXPONENT);
      finite.blend(moved.lanewise(OR, 0x7F800000), special).reinterpretAsFloats().intoArray(w, i);
    }
  }

  /** d[at + c] of 16 words of halves, those of columns 16 to 31 in the upper half. */
  static void pairedScales(int[] words, int from, float[] d, int at) {
    for (int c = 0; c < COLUMNS / 2; c += LANES) {
      IntVector pair = IntVector.fromArray(I, words, from + c);
      IntVector low = pair.lanewise(LSHL, 16).lanewise(ASHR, 3).and(HALF_MASK);
      IntVector high = pair.lanewise(ASHR, 3).and(HALF_MASK);
      low.reinterpretAsFloats().mul(REBIAS).intoArray(d, at + c);
      high.reinterpretAsFloats().mul(REBIAS).intoArray(d, at + COLUMNS / 2 + c);
    }
  }

  /** d[at + c] and d[at + 32 + c] of the two halves of 32 words. */
  static void scalesAndMinima(int[] words, int from, float[] d, int at) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      IntVector pair = IntVector.fromArray(I, words, from + c);
      IntVector low = pair.lanewise(LSHL, 16).lanewise(ASHR, 3).and(HALF_MASK);
      IntVector high = pair.lanewise(ASHR, 3).and(HALF_MASK);
      low.reinterpretAsFloats().mul(REBIAS).intoArray(d, at + c);
      high.reinterpretAsFloats().mul(REBIAS).intoArray(d, at + COLUMNS + c);
    }
  }
}
