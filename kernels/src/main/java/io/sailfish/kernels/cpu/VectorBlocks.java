package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Units of 32 inputs whose blocks lie word by word ({@link PanelLayout.Kind#WORDS}) to floats. As
 * in {@link VectorDecode}, no method takes or returns a vector.
 */
final class VectorBlocks {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;
  private static final int HALF_WORDS = PanelLayout.SCALE_WORDS;
  private static final int BYTE_WORDS = COLUMNS / 4;

  private static final float[] NF4 = GroupBlocks.table(QuantFormat.NF4);
  private static final float[] FP4 = GroupBlocks.table(QuantFormat.FP4);
  private static final float[] IQ4_NL = GroupBlocks.table(QuantFormat.IQ4_NL);

  /** Where the input is whose code is nibble j of word i of a block. */
  private enum Order {
    /** The low nibbles of 16 bytes, then their high ones. */
    HALVES,
    /** Byte by byte, the high nibble first. */
    HIGH_FIRST
  }

  private VectorBlocks() {}

  /**
   * w[wAt + k · 32 + c] of one unit.
   *
   * @param s scratch for the scales, {@link PanelLayout#SCALE_FLOATS}
   */
  static void decode(QuantFormat format, int[] words, int at, float[] s, float[] w, int wAt) {
    switch (format) {
      case Q5_0 -> {
        VectorDecode.pairedScales(words, at, s, 0);
        fiveBits(words, at + HALF_WORDS, 16, s, w, wAt);
      }
      case Q5_1 -> {
        VectorDecode.scalesAndMinima(words, at, s, 0);
        fiveBits(words, at + COLUMNS, 0, s, w, wAt);
      }
      case IQ4_NL -> {
        VectorDecode.pairedScales(words, at, s, 0);
        lookUp(words, at + HALF_WORDS, IQ4_NL, Order.HALVES, s, w, wAt);
      }
      case NF4, FP4 -> {
        VectorDecode.floats(words, at, COLUMNS, s, 0);
        float[] table = format == QuantFormat.NF4 ? NF4 : FP4;
        lookUp(words, at + COLUMNS, table, Order.HIGH_FIRST, s, w, wAt);
      }
      case U2, U4, U8 -> {
        scalesAndZeros(words, at, s);
        integers(words, at + BYTE_WORDS + COLUMNS, GroupBlocks.bits(format), s, w, wAt);
      }
      case U3 -> {
        scalesAndZeros(words, at, s);
        threeBits(words, at + BYTE_WORDS + COLUMNS, s, w, wAt);
      }
      default -> throw new IllegalArgumentException(format + " has no vector code");
    }
  }

  /** Scales as they are, then the zero points, of which there are too few for vectors. */
  private static void scalesAndZeros(int[] words, int at, float[] s) {
    VectorDecode.floats(words, at + BYTE_WORDS, COLUMNS, s, 0);
    for (int c = 0; c < COLUMNS; c++) {
      s[COLUMNS + c] = words[at + c / 4] >>> c % 4 * 8 & 0xFF;
    }
  }

  /** d · (code - zero) + m; without a zero there is an m. The product is exact. */
  private static void fiveBits(int[] words, int at, int zero, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, c);
      FloatVector m = zero == 0 ? FloatVector.fromArray(F, s, COLUMNS + c) : FloatVector.zero(F);
      IntVector fifth = IntVector.fromArray(I, words, at + c);
      for (int g = 0; g < 4; g++) {
        IntVector q = IntVector.fromArray(I, words, at + (1 + g) * COLUMNS + c);
        int to = wAt + 4 * g * COLUMNS + c;
        for (int b = 0; b < 4; b++) {
          IntVector code = q.and(15).or(fifth.and(1).lanewise(LSHL, 4)).sub(zero);
          ((FloatVector) code.convert(I2F, 0)).mul(d).add(m).intoArray(w, to + b * COLUMNS);
          q = q.lanewise(LSHR, 4);
          code = q.and(15).or(fifth.lanewise(LSHR, 12).and(16)).sub(zero);
          FloatVector high = (FloatVector) code.convert(I2F, 0);
          high.mul(d).add(m).intoArray(w, to + (16 + b) * COLUMNS);
          q = q.lanewise(LSHR, 4);
          fifth = fifth.lanewise(LSHR, 1);
        }
      }
    }
  }

  /** s · (code - zero), codes one behind the other in words. */
  private static void integers(int[] words, int at, int bits, float[] s, float[] w, int wAt) {
    int perWord = 32 / bits;
    int mask = (1 << bits) - 1;
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, c);
      FloatVector zero = FloatVector.fromArray(F, s, COLUMNS + c);
      for (int g = 0; g < bits; g++) {
        IntVector q = IntVector.fromArray(I, words, at + g * COLUMNS + c);
        int to = wAt + g * perWord * COLUMNS + c;
        for (int j = 0; j < perWord; j++) {
          FloatVector code = (FloatVector) q.and(mask).convert(I2F, 0);
          code.sub(zero).mul(d).intoArray(w, to + j * COLUMNS);
          // By constants, as in VectorSuperBlocks.
          if (bits == 2) {
            q = q.lanewise(LSHR, 2);
          } else if (bits == 4) {
            q = q.lanewise(LSHR, 4);
          } else {
            q = q.lanewise(LSHR, 8);
          }
        }
      }
    }
  }

  /** The same for three bits: ten codes a word, and two that straddle. */
  private static void threeBits(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, c);
      FloatVector zero = FloatVector.fromArray(F, s, COLUMNS + c);
      for (int g = 0; g < 3; g++) {
        IntVector q = IntVector.fromArray(I, words, at + g * COLUMNS + c);
        if (g == 1) {
          q = q.lanewise(LSHR, 1);
        } else if (g == 2) {
          q = q.lanewise(LSHR, 2);
        }
        int to = wAt + 11 * g * COLUMNS + c;
        for (int j = 0; j < 10; j++) {
          FloatVector code = (FloatVector) q.and(7).convert(I2F, 0);
          code.sub(zero).mul(d).intoArray(w, to + j * COLUMNS);
          q = q.lanewise(LSHR, 3);
        }
        if (g < 2) {
          // What is left of this word, 2 - g bits, and the first bits of the next.
          IntVector next = IntVector.fromArray(I, words, at + (g + 1) * COLUMNS + c);
          next = g == 0 ? next.lanewise(LSHL, 2) : next.lanewise(LSHL, 1);
          q = q.or(next).and(7);
          FloatVector code = (FloatVector) q.convert(I2F, 0);
          code.sub(zero).mul(d).intoArray(w, to + 10 * COLUMNS);
        }
      }
    }
  }

  /**
   * s · T[code] for 32 nibbles a column. Looked up one by one: Java 17 moves lanes by indices only
   * through memory, and choosing bit by bit takes more vector operations than HotSpot inlines.
   */
  private static void lookUp(
      int[] words, int at, float[] table, Order order, float[] s, float[] w, int wAt) {
    for (int g = 0; g < 4; g++) {
      for (int j = 0; j < 8; j++) {
        int high = j % 2;
        int k = order == Order.HALVES ? 4 * g + j / 2 + 16 * high : 8 * g + j + 1 - 2 * high;
        nibbles(words, at + g * COLUMNS, 4 * j, table, w, wAt + k * COLUMNS);
      }
    }
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, c);
      for (int k = 0; k < 32; k++) {
        int to = wAt + k * COLUMNS + c;
        FloatVector.fromArray(F, w, to).mul(d).intoArray(w, to);
      }
    }
  }

  private static void nibbles(int[] words, int at, int shift, float[] table, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c++) {
      w[wAt + c] = table[words[at + c] >>> shift & 15];
    }
  }
}
