package io.sailfish.kernels.format.packed;

/**
 * The code part of a block. A <em>step word</em> holds eight codes in nibbles: those of one thread
 * in one step of 16 inputs, for two neighbouring outputs n0, n1 and inputs k, k+1, k+8, k+9.
 */
final class CodeWords {
  private static final int LOW_BITS = 0x11111111;

  private CodeWords() {}

  /** Integer codes: one AND with 0x000f000f leaves the pair (k, k+1) of n0 in a register. */
  static int integerStep(byte[] n0, byte[] n1, int k) {
    return spread(n0, k) | spread(n1, k) << 4;
  }

  private static int spread(byte[] codes, int k) {
    return codes[k] | codes[k + 8] << 8 | codes[k + 1] << 16 | codes[k + 9] << 24;
  }

  static void integerCodes(int word, byte[] n0, byte[] n1, int k) {
    unspread(word, n0, k);
    unspread(word >>> 4, n1, k);
  }

  private static void unspread(int word, byte[] codes, int k) {
    codes[k] = (byte) (word & 15);
    codes[k + 8] = (byte) (word >>> 8 & 15);
    codes[k + 1] = (byte) (word >>> 16 & 15);
    codes[k + 9] = (byte) (word >>> 24 & 15);
  }

  /** Table indices: byte j is the index of the pair in fragment register j. */
  static int tableStep(byte[] n0, byte[] n1, int k) {
    return pair(n0, k) | pair(n1, k) << 8 | pair(n0, k + 8) << 16 | pair(n1, k + 8) << 24;
  }

  private static int pair(byte[] codes, int k) {
    return codes[k] | codes[k + 1] << 4;
  }

  static void tableCodes(int word, byte[] n0, byte[] n1, int k) {
    unpair(word, n0, k);
    unpair(word >>> 8, n1, k);
    unpair(word >>> 16, n0, k + 8);
    unpair(word >>> 24, n1, k + 8);
  }

  private static void unpair(int word, byte[] codes, int k) {
    codes[k] = (byte) (word & 15);
    codes[k + 1] = (byte) (word >>> 4 & 15);
  }

  /**
   * Folds the eight step words of a thread into its stored words: 8 of 4 bits, 6 of 3 bits (a
   * fourth step rides in the top bits of three others), 4 of 2 bits.
   */
  static void fold(int bits, int[] steps, int[] stored) {
    switch (bits) {
      case 4 -> System.arraycopy(steps, 0, stored, 0, 8);
      case 3 -> {
        for (int quad = 0; quad < 2; quad++) {
          int rider = steps[4 * quad + 3];
          for (int i = 0; i < 3; i++) {
            stored[3 * quad + i] = steps[4 * quad + i] | (rider >>> i & LOW_BITS) << 3;
          }
        }
      }
      default -> {
        for (int i = 0; i < 4; i++) {
          stored[i] = steps[2 * i] | steps[2 * i + 1] << 2;
        }
      }
    }
  }

  /** The reverse of {@link #fold}. */
  static void unfold(int bits, int[] stored, int[] steps) {
    switch (bits) {
      case 4 -> System.arraycopy(stored, 0, steps, 0, 8);
      case 3 -> {
        for (int quad = 0; quad < 2; quad++) {
          int rider = 0;
          for (int i = 0; i < 3; i++) {
            int word = stored[3 * quad + i];
            steps[4 * quad + i] = word & LOW_BITS * 7;
            rider |= (word >>> 3 & LOW_BITS) << i;
          }
          steps[4 * quad + 3] = rider;
        }
      }
      default -> {
        for (int i = 0; i < 4; i++) {
          steps[2 * i] = stored[i] & LOW_BITS * 3;
          steps[2 * i + 1] = stored[i] >>> 2 & LOW_BITS * 3;
        }
      }
    }
  }

  /** Where stored word {@code i} of thread {@code t} lies in its half, in bytes. */
  static int offset(int bits, int t, int i) {
    if (i < 4) {
      return 16 * t + 4 * i;
    }
    return bits == 4 ? 2048 + 16 * t + 4 * (i - 4) : 2048 + 8 * t + 4 * (i - 4);
  }
}
