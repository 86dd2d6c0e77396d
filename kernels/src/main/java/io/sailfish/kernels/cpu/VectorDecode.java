package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
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

  /** Scales of {@code units} units: for each, d of its 32 columns, then as many m. */
  static void scales(PanelLayout layout, int[] words, int at, int units, float[] scales) {
    for (int unit = 0; unit < units; unit++) {
      int from = at + unit * layout.unitWords();
      int to = unit * SCALES;
      switch (layout.kind()) {
        case NIBBLE_MIN -> scalesAndMinima(words, from, scales, to);
        case NIBBLE -> {
          pairedScales(words, from, scales, to);
          minimaOfScales(scales, to);
        }
        default -> pairedScales(words, from, scales, to);
      }
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

  private static void minimaOfScales(float[] d, int at) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector.fromArray(F, d, at + c).mul(-8f).intoArray(d, at + COLUMNS + c);
    }
  }

  /**
   * Codes of nibble units: {@code words} from {@code codes} on hold 4 groups of 32 words, the next
   * unit's {@code unitWords} further. A product of scale and code is exact, so a separate addition
   * rounds as a fused one would, and leaves m in its register.
   */
  static void nibbles(
      int[] words, int codes, int unitWords, int units, float[] scales, float[] w, int wAt) {
    for (int unit = 0; unit < units; unit++) {
      for (int c = 0; c < COLUMNS; c += LANES) {
        FloatVector d = FloatVector.fromArray(F, scales, unit * SCALES + c);
        FloatVector m = FloatVector.fromArray(F, scales, unit * SCALES + COLUMNS + c);
        for (int g = 0; g < 4; g++) {
          IntVector q = IntVector.fromArray(I, words, codes + unit * unitWords + g * COLUMNS + c);
          int to = wAt + (unit * 32 + g * 8) * COLUMNS + c;
          for (int j = 0; j < 8; j++) {
            FloatVector code = (FloatVector) q.and(15).convert(I2F, 0);
            code.mul(d).add(m).intoArray(w, to + j * COLUMNS);
            q = q.lanewise(LSHR, 4);
          }
        }
      }
    }
  }

  /** Codes of byte units: 8 groups of 32 words each. */
  static void bytes(
      int[] words, int codes, int unitWords, int units, float[] scales, float[] w, int wAt) {
    for (int unit = 0; unit < units; unit++) {
      for (int c = 0; c < COLUMNS; c += LANES) {
        FloatVector d = FloatVector.fromArray(F, scales, unit * SCALES + c);
        for (int g = 0; g < 8; g++) {
          IntVector q = IntVector.fromArray(I, words, codes + unit * unitWords + g * COLUMNS + c);
          int to = wAt + (unit * 32 + g * 4) * COLUMNS + c;
          for (int j = 0; j < 4; j++) {
            IntVector code = q.lanewise(LSHL, 24).lanewise(ASHR, 24);
            ((FloatVector) code.convert(I2F, 0)).mul(d).intoArray(w, to + j * COLUMNS);
            q = q.lanewise(LSHR, 8);
          }
        }
      }
    }
  }
}
