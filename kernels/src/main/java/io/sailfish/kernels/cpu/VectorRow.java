package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.I2F;
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
      PanelMath.Block tile,
      boolean fresh) {
    for (int c = 0; c < COLUMNS; c += 2 * LANES) {
      nibbleColumns(
          words, codes + c, unitWords, units, scales, x, tile.data, tile.at + c, c, fresh);
    }
  }

  private static void nibbleColumns(
      int[] words,
      int codes,
      int unitWords,
      int units,
      float[] scales,
      PanelMath.Block x,
      float[] y,
      int yAt,
      int c,
      boolean fresh) {
    FloatVector a = fresh ? FloatVector.zero(F) : FloatVector.fromArray(F, y, yAt);
    FloatVector b = fresh ? FloatVector.zero(F) : FloatVector.fromArray(F, y, yAt + LANES);
    IntVector low = IntVector.broadcast(I, 15);
    for (int unit = 0; unit < units; unit++) {
      int at = unit * 2 * COLUMNS + c;
      FloatVector da = FloatVector.fromArray(F, scales, at);
      FloatVector db = FloatVector.fromArray(F, scales, at + LANES);
      FloatVector ma = FloatVector.fromArray(F, scales, at + COLUMNS);
      FloatVector mb = FloatVector.fromArray(F, scales, at + COLUMNS + LANES);
      for (int g = 0; g < 4; g++) {
        int from = codes + unit * unitWords + g * COLUMNS;
        IntVector qa = IntVector.fromArray(I, words, from);
        IntVector qb = IntVector.fromArray(I, words, from + LANES);
        int k = x.at + unit * 32 + g * 8;
        for (int j = 0; j < 8; j++) {
          FloatVector v = FloatVector.broadcast(F, x.data[k + j]);
          a = ((FloatVector) qa.and(low).convert(I2F, 0)).fma(da, ma).fma(v, a);
          b = ((FloatVector) qb.and(low).convert(I2F, 0)).fma(db, mb).fma(v, b);
          qa = qa.lanewise(LSHR, 4);
          qb = qb.lanewise(LSHR, 4);
        }
      }
    }
    a.intoArray(y, yAt);
    b.intoArray(y, yAt + LANES);
  }
}
