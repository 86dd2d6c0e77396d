package io.sailfish.kernels.choice;

/**
 * Philox4x32-10, a counter-based generator: the number depends on key and counter alone, so it does
 * not matter when, where or beside whom it is drawn. J. Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011; constants from the paper.
 */
final class Philox {
  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_1 = 0xCD9E8D57L;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;

  private Philox() {}

  /** 64 random bits for a key and two 64-bit counters. */
  static long bits(long key, long counter, long stream) {
    int[] block = {(int) counter, (int) (counter >>> 32), (int) stream, (int) (stream >>> 32)};
    permute(block, (int) key, (int) (key >>> 32));
    return (long) block[0] << 32 | (block[1] & 0xFFFFFFFFL);
  }

  /** Applies the ten rounds to a counter of four words in place. */
  static void permute(int[] c, int key0, int key1) {
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = MULTIPLIER_0 * (c[0] & 0xFFFFFFFFL);
      long product1 = MULTIPLIER_1 * (c[2] & 0xFFFFFFFFL);
      c[0] = (int) (product1 >>> 32) ^ c[1] ^ key0;
      c[2] = (int) (product0 >>> 32) ^ c[3] ^ key1;
      c[1] = (int) product1;
      c[3] = (int) product0;
      key0 += WEYL_0;
      key1 += WEYL_1;
    }
  }
}
