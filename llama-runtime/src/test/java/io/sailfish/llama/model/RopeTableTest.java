package io.sailfish.llama.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class RopeTableTest {
  private static final double THETA = 500_000;

  @Test
  void withoutScalingFrequenciesAreThePlainPowers() {
    double[] f = RopeTable.frequencies(rope(new RopeConfig.None()), 8);
    assertEquals(1, f[0]);
    assertEquals(1 / Math.pow(THETA, 0.25), f[1], 1e-15);
    assertEquals(1 / Math.pow(THETA, 0.75), f[3], 1e-15);
  }

  @Test
  void linearScalingDividesAll() {
    assertEquals(0.25, RopeTable.frequencies(rope(new RopeConfig.Linear(4)), 8)[0]);
  }

  /**
   * Values of transformers 4's _compute_llama3_parameters for Llama 3.1's numbers, head dim 128.
   */
  @Test
  void llama3KeepsShortWavesStretchesLongOnesAndBlendsBetween() {
    double[] plain = RopeTable.frequencies(rope(new RopeConfig.None()), 128);
    double[] f = RopeTable.frequencies(rope(new RopeConfig.Llama3(8, 1, 4, 8192)), 128);
    assertEquals(plain[0], f[0]);
    assertEquals(plain[63] / 8, f[63], 1e-18);
    double original = 8192;
    for (int i = 0; i < 64; i++) {
      double wave = 2 * Math.PI / plain[i];
      double expected;
      if (wave < original / 4) {
        expected = plain[i];
      } else if (wave > original) {
        expected = plain[i] / 8;
      } else {
        double smooth = (original / wave - 1) / (4 - 1);
        expected = (1 - smooth) * plain[i] / 8 + smooth * plain[i];
      }
      assertEquals(expected, f[i], 1e-12 * expected, "pair " + i);
    }
  }

  @Test
  void factorsDivideTheirOwnPair() {
    RopeConfig rope = rope(new RopeConfig.Factors(new float[] {1, 2, 4, 8}));
    double[] plain = RopeTable.frequencies(rope(new RopeConfig.None()), 8);
    double[] f = RopeTable.frequencies(rope, 8);
    assertEquals(plain[0], f[0]);
    assertEquals(plain[3] / 8, f[3]);
  }

  @Test
  void aRowIsCosinesThenSines() {
    float[] row = new float[4];
    RopeTable.fillRow(row, 3, new double[] {1, 0.01});
    assertEquals((float) Math.cos(3), row[0]);
    assertEquals((float) Math.cos(0.03), row[1], 1e-7);
    assertEquals((float) Math.sin(3), row[2], 1e-7);
    assertEquals((float) Math.sin(0.03), row[3], 1e-7);
  }

  @Test
  void anOddHeadDimIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> RopeTable.frequencies(rope(new RopeConfig.None()), 7));
  }

  private static RopeConfig rope(RopeConfig.Scaling scaling) {
    return new RopeConfig(THETA, false, scaling);
  }
}
