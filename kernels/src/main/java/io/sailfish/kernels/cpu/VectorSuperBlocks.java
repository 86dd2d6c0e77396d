package io.sailfish.kernels.cpu;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import io.sailfish.kernels.format.QuantFormat;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * A unit of ggml's k-quants (256 inputs, {@link PanelLayout.Kind#WORDS}) to floats, in vectors. Two
 * steps: the scales of the sub-blocks, then the codes. The product of scale and code is exact (11 +
 * 7 + 6 bits at most), so a subtraction after it is the only rounding, as in the codec.
 *
 * <p>As in {@link VectorDecode}, no method takes or returns a vector. Every shift is by a constant:
 * C2 of Java 17 at times compiles one by a number of a loop wrongly.
 */
final class VectorSuperBlocks {
  private static final VectorSpecies<Float> F = VectorWidth.FLOATS;
  private static final VectorSpecies<Integer> I = VectorWidth.INTS;
  private static final int LANES = F.length();
  private static final int COLUMNS = PanelLayout.COLUMNS;

  /** Floats between the scales of one sub-block and the next: 32 scales, 32 minima. */
  private static final int SUB = VectorDecode.SCALES;

  /** Where the blocks' own two scales stand in the scratch, behind those of 16 sub-blocks. */
  private static final int OWN = 16 * SUB;

  private VectorSuperBlocks() {}

  /**
   * w[wAt + k · 32 + c] of one unit.
   *
   * @param s scratch for the scales, {@link PanelLayout#SCALE_FLOATS}
   */
  static void decode(QuantFormat format, int[] words, int at, float[] s, float[] w, int wAt) {
    switch (format) {
      case Q2_K -> {
        VectorDecode.scalesAndMinima(words, at + 20 * COLUMNS, s, OWN);
        nibblePairs(words, at, s);
        twoBitCodes(words, at + 4 * COLUMNS, s, w, wAt);
      }
      case Q3_K -> {
        int body = at + PanelLayout.SCALE_WORDS;
        VectorDecode.pairedScales(words, at, s, OWN);
        sixBitScales(words, body + 24 * COLUMNS, s);
        threeBitCodes(words, body, s, w, wAt);
      }
      case Q4_K -> {
        VectorDecode.scalesAndMinima(words, at, s, OWN);
        sixBitPairs(words, at + COLUMNS, s);
        fourBitCodes(words, at + 4 * COLUMNS, s, w, wAt);
      }
      case Q5_K -> {
        VectorDecode.scalesAndMinima(words, at, s, OWN);
        sixBitPairs(words, at + COLUMNS, s);
        fiveBitCodes(words, at + 4 * COLUMNS, s, w, wAt);
      }
      case Q6_K -> {
        int body = at + PanelLayout.SCALE_WORDS;
        VectorDecode.pairedScales(words, at, s, OWN);
        byteScales(words, body + 48 * COLUMNS, s);
        sixBitCodes(words, body, s, w, wAt);
      }
      default -> throw new IllegalArgumentException(format + " has no super-blocks");
    }
  }

  /** Q2_K: a byte of scale and minimum for each 16 inputs. */
  private static void nibblePairs(int[] words, int at, float[] s) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, OWN + c);
      FloatVector dmin = FloatVector.fromArray(F, s, OWN + COLUMNS + c);
      for (int g = 0; g < 4; g++) {
        IntVector pairs = IntVector.fromArray(I, words, at + g * COLUMNS + c);
        int to = 4 * g * SUB + c;
        for (int j = 0; j < 4; j++) {
          ((FloatVector) pairs.and(15).convert(I2F, 0)).mul(d).intoArray(s, to + j * SUB);
          IntVector minimum = pairs.lanewise(LSHR, 4).and(15);
          ((FloatVector) minimum.convert(I2F, 0)).mul(dmin).intoArray(s, to + j * SUB + COLUMNS);
          pairs = pairs.lanewise(LSHR, 8);
        }
      }
    }
  }

  /** Q3_K: 16 scales of six bits less 32; low nibbles in two words, high pairs in the third. */
  private static void sixBitScales(int[] words, int at, float[] s) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, OWN + c);
      for (int half = 0; half < 2; half++) {
        IntVector low = IntVector.fromArray(I, words, at + half * COLUMNS + c);
        IntVector high = IntVector.fromArray(I, words, at + 2 * COLUMNS + c);
        if (half == 1) {
          high = high.lanewise(LSHR, 2);
        }
        int to = 4 * half * SUB + c;
        for (int j = 0; j < 4; j++) {
          IntVector first = low.and(15).or(high.lanewise(LSHL, 4).and(0x30)).sub(32);
          ((FloatVector) first.convert(I2F, 0)).mul(d).intoArray(s, to + j * SUB);
          IntVector second = low.lanewise(LSHR, 4).and(15).or(high.and(0x30)).sub(32);
          ((FloatVector) second.convert(I2F, 0)).mul(d).intoArray(s, to + (8 + j) * SUB);
          low = low.lanewise(LSHR, 8);
          high = high.lanewise(LSHR, 8);
        }
      }
    }
  }

  /** Q4_K, Q5_K: eight scales and eight minima of six bits in three words. */
  private static void sixBitPairs(int[] words, int at, float[] s) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, OWN + c);
      FloatVector dmin = FloatVector.fromArray(F, s, OWN + COLUMNS + c);
      IntVector first = IntVector.fromArray(I, words, at + c);
      IntVector second = IntVector.fromArray(I, words, at + COLUMNS + c);
      IntVector third = IntVector.fromArray(I, words, at + 2 * COLUMNS + c);
      for (int j = 0; j < 4; j++) {
        int low = j * SUB + c;
        int high = low + 4 * SUB;
        ((FloatVector) first.and(63).convert(I2F, 0)).mul(d).intoArray(s, low);
        ((FloatVector) second.and(63).convert(I2F, 0)).mul(dmin).intoArray(s, low + COLUMNS);
        IntVector scale = third.and(15).or(first.lanewise(LSHR, 2).and(0x30));
        ((FloatVector) scale.convert(I2F, 0)).mul(d).intoArray(s, high);
        IntVector minimum = third.lanewise(LSHR, 4).and(15);
        minimum = minimum.or(second.lanewise(LSHR, 2).and(0x30));
        ((FloatVector) minimum.convert(I2F, 0)).mul(dmin).intoArray(s, high + COLUMNS);
        first = first.lanewise(LSHR, 8);
        second = second.lanewise(LSHR, 8);
        third = third.lanewise(LSHR, 8);
      }
    }
  }

  /** Q6_K: a signed byte for each 16 inputs. */
  private static void byteScales(int[] words, int at, float[] s) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      FloatVector d = FloatVector.fromArray(F, s, OWN + c);
      for (int g = 0; g < 4; g++) {
        IntVector bytes = IntVector.fromArray(I, words, at + g * COLUMNS + c);
        for (int j = 0; j < 4; j++) {
          IntVector scale = bytes.lanewise(LSHL, 24).lanewise(ASHR, 24);
          ((FloatVector) scale.convert(I2F, 0)).mul(d).intoArray(s, (4 * g + j) * SUB + c);
          bytes = bytes.lanewise(LSHR, 8);
        }
      }
    }
  }

  /** Byte 32 h + l: inputs 128 h + 32 t + l, two bits each. */
  private static void twoBitCodes(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      for (int g = 0; g < 16; g++) { // four bytes of codes; g = 8 h + l / 4
        int sub = (g / 8 * 8 + g % 8 / 4) * SUB + c;
        int to = wAt + (g / 8 * 128 + g % 8 * 4) * COLUMNS + c;
        IntVector codes = IntVector.fromArray(I, words, at + g * COLUMNS + c);
        for (int t = 0; t < 4; t++) {
          IntVector q = codes;
          FloatVector d = FloatVector.fromArray(F, s, sub + 2 * t * SUB);
          FloatVector m = FloatVector.fromArray(F, s, sub + 2 * t * SUB + COLUMNS);
          for (int b = 0; b < 4; b++) {
            FloatVector code = (FloatVector) q.and(3).convert(I2F, 0);
            code.mul(d).sub(m).intoArray(w, to + (32 * t + b) * COLUMNS);
            q = q.lanewise(LSHR, 8);
          }
          codes = codes.lanewise(LSHR, 2);
        }
      }
    }
  }

  /** As two bits, with bit 4 h + t of byte l of the third bits above them, less 4. */
  private static void threeBitCodes(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      for (int g = 0; g < 16; g++) {
        int sub = (g / 8 * 8 + g % 8 / 4) * SUB + c;
        int to = wAt + (g / 8 * 128 + g % 8 * 4) * COLUMNS + c;
        IntVector thirds = IntVector.fromArray(I, words, at + g % 8 * COLUMNS + c);
        if (g >= 8) {
          thirds = thirds.lanewise(LSHR, 4);
        }
        IntVector codes = IntVector.fromArray(I, words, at + (8 + g) * COLUMNS + c);
        for (int t = 0; t < 4; t++) {
          IntVector third = thirds;
          IntVector q = codes;
          FloatVector d = FloatVector.fromArray(F, s, sub + 2 * t * SUB);
          for (int b = 0; b < 4; b++) {
            IntVector code = q.and(3).or(third.and(1).lanewise(LSHL, 2)).sub(4);
            ((FloatVector) code.convert(I2F, 0)).mul(d).intoArray(w, to + (32 * t + b) * COLUMNS);
            q = q.lanewise(LSHR, 8);
            third = third.lanewise(LSHR, 8);
          }
          thirds = thirds.lanewise(LSHR, 1);
          codes = codes.lanewise(LSHR, 2);
        }
      }
    }
  }

  /** Byte 32 p + l: inputs 64 p + l low, 64 p + 32 + l high. */
  private static void fourBitCodes(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      for (int p = 0; p < 4; p++) {
        FloatVector d = FloatVector.fromArray(F, s, 2 * p * SUB + c);
        FloatVector m = FloatVector.fromArray(F, s, 2 * p * SUB + COLUMNS + c);
        FloatVector dHigh = FloatVector.fromArray(F, s, (2 * p + 1) * SUB + c);
        FloatVector mHigh = FloatVector.fromArray(F, s, (2 * p + 1) * SUB + COLUMNS + c);
        for (int i = 0; i < 8; i++) {
          IntVector q = IntVector.fromArray(I, words, at + (8 * p + i) * COLUMNS + c);
          int to = wAt + (64 * p + 4 * i) * COLUMNS + c;
          for (int b = 0; b < 4; b++) {
            FloatVector low = (FloatVector) q.and(15).convert(I2F, 0);
            low.mul(d).sub(m).intoArray(w, to + b * COLUMNS);
            q = q.lanewise(LSHR, 4);
            FloatVector high = (FloatVector) q.and(15).convert(I2F, 0);
            high.mul(dHigh).sub(mHigh).intoArray(w, to + (32 + b) * COLUMNS);
            q = q.lanewise(LSHR, 4);
          }
        }
      }
    }
  }

  /** As four bits, with bits 2 p and 2 p + 1 of byte l of the eight words before above them. */
  private static void fiveBitCodes(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      for (int i = 0; i < 8; i++) {
        IntVector fifths = IntVector.fromArray(I, words, at + i * COLUMNS + c);
        for (int p = 0; p < 4; p++) {
          FloatVector d = FloatVector.fromArray(F, s, 2 * p * SUB + c);
          FloatVector m = FloatVector.fromArray(F, s, 2 * p * SUB + COLUMNS + c);
          FloatVector dHigh = FloatVector.fromArray(F, s, (2 * p + 1) * SUB + c);
          FloatVector mHigh = FloatVector.fromArray(F, s, (2 * p + 1) * SUB + COLUMNS + c);
          IntVector fifth = fifths;
          IntVector q = IntVector.fromArray(I, words, at + (8 + 8 * p + i) * COLUMNS + c);
          int to = wAt + (64 * p + 4 * i) * COLUMNS + c;
          for (int b = 0; b < 4; b++) {
            IntVector code = q.and(15).or(fifth.lanewise(LSHL, 4).and(16));
            ((FloatVector) code.convert(I2F, 0)).mul(d).sub(m).intoArray(w, to + b * COLUMNS);
            q = q.lanewise(LSHR, 4);
            code = q.and(15).or(fifth.lanewise(LSHL, 3).and(16));
            FloatVector high = (FloatVector) code.convert(I2F, 0);
            high.mul(dHigh).sub(mHigh).intoArray(w, to + (32 + b) * COLUMNS);
            q = q.lanewise(LSHR, 4);
            fifth = fifth.lanewise(LSHR, 8);
          }
          fifths = fifths.lanewise(LSHR, 2);
        }
      }
    }
  }

  /** Inputs 128 h + 32 t + l: nibble t / 2 of byte 64 h + 32 (t % 2) + l, bits 2 t above it. */
  private static void sixBitCodes(int[] words, int at, float[] s, float[] w, int wAt) {
    for (int c = 0; c < COLUMNS; c += LANES) {
      for (int g = 0; g < 16; g++) {
        int low = at + (g / 8 * 16 + g % 8) * COLUMNS + c;
        int sub = (g / 8 * 8 + g % 8 / 4) * SUB + c;
        int to = wAt + (g / 8 * 128 + g % 8 * 4) * COLUMNS + c;
        IntVector highs = IntVector.fromArray(I, words, at + (32 + g) * COLUMNS + c);
        for (int t = 0; t < 4; t++) {
          IntVector q = IntVector.fromArray(I, words, low + t % 2 * 8 * COLUMNS);
          if (t >= 2) {
            q = q.lanewise(LSHR, 4);
          }
          IntVector high = highs;
          FloatVector d = FloatVector.fromArray(F, s, sub + 2 * t * SUB);
          for (int b = 0; b < 4; b++) {
            IntVector code = q.and(15).or(high.and(3).lanewise(LSHL, 4)).sub(32);
            ((FloatVector) code.convert(I2F, 0)).mul(d).intoArray(w, to + (32 * t + b) * COLUMNS);
            q = q.lanewise(LSHR, 8);
            high = high.lanewise(LSHR, 8);
          }
          highs = highs.lanewise(LSHR, 2);
        }
      }
    }
  }
}
