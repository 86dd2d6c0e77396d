package io.sailfish.kernels.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class TokenWeightTest {
  @Test
  void powersAreThoseOfTwoToTheirUnit() {
    Random random = new Random(1);
    double worst = 0;
    for (int i = 0; i < 300_000; i++) {
      float x = -random.nextFloat() * (i % 2 == 0 ? 12 : 44);
      double exact = StrictMath.pow(2, x) * TokenWeight.ONE;
      double error = Math.abs(TokenWeight.power(x) - exact);
      worst = Math.max(worst, Math.max(0, error - 1) / exact);
    }
    assertTrue(worst < 1e-7, "worst relative error " + worst);
  }

  @Test
  void theEndsAreExact() {
    assertEquals(TokenWeight.ONE, TokenWeight.power(0f));
    assertEquals(TokenWeight.ONE, TokenWeight.power(-0f));
    assertEquals(TokenWeight.ONE / 2, TokenWeight.power(-1f));
    assertEquals(1, TokenWeight.power(-39f));
    assertEquals(0, TokenWeight.power(-39.01f));
    assertEquals(0, TokenWeight.of(Float.NEGATIVE_INFINITY, 3f, 1f));
    assertEquals(0, TokenWeight.of(3f, 1e38f, Float.MAX_VALUE));
    assertEquals(TokenWeight.ONE, TokenWeight.of(3f, 3f, Float.MAX_VALUE));
    for (float x = 0; x > -1e-6f; x = Math.nextDown(x == 0 ? -1e-9f : x * 1.001f)) {
      assertTrue(TokenWeight.power(x) <= TokenWeight.ONE, "more than the largest at " + x);
    }
  }

  @Test
  void logProbabilitiesAreThoseOfSoftmax() {
    float scale = TokenChoice.of(1f, 0, 1f, 0f, 1f, 0, 0).scale();
    float[] logits = {10f, 9f, -3f, 8.5f, 10f};
    long sum = 0;
    double exact = 0;
    for (float logit : logits) {
      sum += TokenWeight.of(logit, 10f, scale);
      exact += StrictMath.exp(logit);
    }
    for (float logit : logits) {
      double expected = logit - StrictMath.log(exact);
      assertEquals(expected, TokenWeight.logProbability(logit, 10f, sum), 1e-6);
    }
  }
}
