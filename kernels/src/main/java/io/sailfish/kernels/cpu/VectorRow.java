package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * One row times a panel, codes going straight from words to registers: the same weights and the
 * same chains as {@link VectorDecode} followed by {@link VectorProduct}.
 */
final class VectorRow {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  private VectorRow() {}

  /**
   * @param codes first code word of the first unit; units are {@code unitWords} apart
   * @param scales 64 floats a unit: d of each column, then m
   */
  static void nibbles(
      int[] words,
      int codes,
      int unitWords,
      int units,
      float[] scales,
      PanelMath.Block x,
      float[] y) {
    float[] input = x.data;
    IntVector low = IntVector.broadcast(I, 15);
    for (int c = 0; c < COLUMNS; c += 2 * LANES) {
      FloatVector a = FloatVector.fromArray(F, y, c);
      FloatVector b = FloatVector.fromArray(F, y, c + LANES);
      for (int unit = 0; unit < units; unit++) {
        int at = unit * VectorDecode.SCALES + c;
        FloatVector da = FloatVector.fromArray(F, scales, at);
        FloatVector db = FloatVector.fromArray(F, scales, at + LANES);
        FloatVector ma = FloatVector.fromArray(F, scales, at + COLUMNS);
        FloatVector mb = FloatVector.fromArray(F, scales, at + COLUMNS + LANES);
        for (int g = 0; g < 4; g++) {
          int from = codes + c + unit * unitWords + g * COLUMNS;
          IntVector qa = IntVector.fromArray(I, words, from);
          IntVector qb = IntVector.fromArray(I, words, from + LANES);
          int k = x.at + unit * 32 + g * 8;
          for (int j = 0; j < 8; j++) {
            FloatVector v = FloatVector.broadcast(F, input[k + j]);
            a = ((FloatVector) qa.and(low).convert(I2F, 0)).mul(da).add(ma).fma(v, a);
            b = ((FloatVector) qb.and(low).convert(I2F, 0)).mul(db).add(mb).fma(v, b);
            qa = qa.lanewise(LSHR, 4);
            qb = qb.lanewise(LSHR, 4);
          }
        }
      }
      a.intoArray(y, c);
      b.intoArray(y, c + LANES);
    }
  }

  /** Codes are bytes, 8 groups of 32 words a unit. */
  static void bytes(
      int[] words,
      int codes,
      int unitWords,
      int units,
      float[] scales,
      PanelMath.Block x,
      float[] y) {
    float[] input = x.data;
    for (int c = 0; c < COLUMNS; c += 2 * LANES) {
      FloatVector a = FloatVector.fromArray(F, y, c);
      FloatVector b = FloatVector.fromArray(F, y, c + LANES);
      for (int unit = 0; unit < units; unit++) {
        FloatVector da = FloatVector.fromArray(F, scales, unit * VectorDecode.SCALES + c);
        FloatVector db = FloatVector.fromArray(F, scales, unit * VectorDecode.SCALES + c + LANES);
        for (int g = 0; g < 8; g++) {
          int from = codes + c + unit * unitWords + g * COLUMNS;
          IntVector qa = IntVector.fromArray(I, words, from);
          IntVector qb = IntVector.fromArray(I, words, from + LANES);
          int k = x.at + unit * 32 + g * 4;
          for (int j = 0; j < 4; j++) {
            FloatVector v = FloatVector.broadcast(F, input[k + j]);
            IntVector code = qa.lanewise(LSHL, 24).lanewise(ASHR, 24);
            a = ((FloatVector) code.convert(I2F, 0)).mul(da).fma(v, a);
            code = qb.lanewise(LSHL, 24).lanewise(ASHR, 24);
            b = ((FloatVector) code.convert(I2F, 0)).mul(db).fma(v, b);
            qa = qa.lanewise(LSHR, 8);
            qb = qb.lanewise(LSHR, 8);
          }
        }
      }
      a.intoArray(y, c);
      b.intoArray(y, c + LANES);
    }
  }
}
