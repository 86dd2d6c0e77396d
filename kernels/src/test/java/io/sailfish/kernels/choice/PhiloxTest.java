package io.sailfish.kernels.choice;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import org.junit.jupiter.api.Test;

/** Known answers of philox4x32-10 as published with Random123. */
class PhiloxTest {
  @Test
  void theRoundsGiveThePublishedWords() {
    check(new int[] {0, 0, 0, 0}, 0, 0, new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check(
        new int[] {-1, -1, -1, -1},
        -1,
        -1,
        new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check(
        new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
        0xa4093822,
        0x299f31d0,
        new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  }

  @Test
  void uniformsFillTheUnitInterval() {
    double sum = 0;
    int[] bins = new int[10];
    for (int i = 0; i < 100_000; i++) {
      double u = (Philox.bits(7, i, 3) >>> 11) * 0x1p-53;
      sum += u;
      bins[(int) (u * 10)]++;
    }
    assertEquals(0.5, sum / 100_000, 0.005);
    for (int bin : bins) {
      assertEquals(10_000, bin, 500);
    }
  }

  @Test
  void seedPositionAndStreamAllMatter() {
    long bits = Philox.bits(1, 2, 3);
    assertEquals(bits, Philox.bits(1, 2, 3));
    assertNotEquals(bits, Philox.bits(2, 2, 3));
    assertNotEquals(bits, Philox.bits(1L << 32 | 1, 2, 3));
    assertNotEquals(bits, Philox.bits(1, 3, 3));
    assertNotEquals(bits, Philox.bits(1, 2, 4));
    assertNotEquals(bits, Philox.bits(1, 2, 1L << 40 | 3));
  }

  private static void check(int[] counter, int key0, int key1, int[] expected) {
    Philox.permute(counter, key0, key1);
    assertArrayEquals(expected, counter);
  }
}
