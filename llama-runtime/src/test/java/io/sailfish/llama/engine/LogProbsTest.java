package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class LogProbsTest {
  @Test
  void expIsAsAccurateAsADoubleAllows() {
    Random random = new Random(1);
    double worst = 0;
    for (int i = 0; i < 200_000; i++) {
      double x = -random.nextDouble() * (i % 2 == 0 ? 40 : 700);
      worst = Math.max(worst, Math.abs(NegativeExp.exp(x) / StrictMath.exp(x) - 1));
    }
    assertTrue(worst < 5e-16, "worst relative error " + worst);
  }

  @Test
  void expHandlesTheEnds() {
    assertEquals(1, NegativeExp.exp(0));
    assertEquals(1, NegativeExp.exp(-0.0));
    assertEquals(0, NegativeExp.exp(Double.NEGATIVE_INFINITY));
    assertEquals(0, NegativeExp.exp(-1e6));
    assertTrue(Double.isNaN(NegativeExp.exp(Double.NaN)));
    assertTrue(NegativeExp.exp(-707.9) > 0);
  }

  @Test
  void probabilitiesAddUpToOneHoweverLargeTheLogits() {
    float[] logits = {1000f, 999f, -1000f, 998.5f};
    double normalizer = LogProbs.logSumExp(logits);
    double sum = 0;
    for (float logit : logits) {
      sum += StrictMath.exp(logit - normalizer);
    }
    assertEquals(1, sum, 1e-12);
    assertEquals(StrictMath.log(4), LogProbs.logSumExp(new float[4]), 1e-15);
  }

  @Test
  void whatIsNotANumberStaysNotANumber() {
    assertTrue(Double.isNaN(LogProbs.logSumExp(new float[] {1, Float.NaN})));
    assertTrue(Double.isNaN(LogProbs.logSumExp(new float[] {Float.NEGATIVE_INFINITY})));
  }
}
