package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class FastExpTest {
  @Test
  void staysWithinTwoUlp() {
    for (float x = -87f; x < 88f; x += 0.00137f) {
      double exact = Math.exp(x);
      double error = Math.abs(FastExp.exp(x) - exact) / Math.ulp((float) exact);
      assertTrue(error <= 2, "exp(%s): %.2f ulp".formatted(x, error));
    }
  }

  @Test
  void clampsInsteadOfLeavingTheRange() {
    assertEquals(1f, FastExp.exp(0f));
    assertTrue(FastExp.exp(Float.NEGATIVE_INFINITY) > 0);
    assertTrue(FastExp.exp(Float.NEGATIVE_INFINITY) < 1e-37);
    assertTrue(FastExp.exp(1e9f) > 1e38 && FastExp.exp(1e9f) < Float.POSITIVE_INFINITY);
    assertTrue(Float.isNaN(FastExp.exp(Float.NaN)));
    assertEquals(0f, FastExp.silu(-1e4f), 1e-30f);
    assertEquals(1e4f, FastExp.silu(1e4f));
  }
}
