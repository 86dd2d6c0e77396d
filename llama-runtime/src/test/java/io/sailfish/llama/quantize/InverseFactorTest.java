package io.sailfish.llama.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InverseFactorTest {
  /** A wishart matrix and a little on the diagonal; above it what nobody may read. */
  private static double[][] positive(int n) {
    Random random = new Random(n);
    double[][] samples = new double[n][n];
    for (double[] sample : samples) {
      for (int i = 0; i < n; i++) {
        sample[i] = random.nextGaussian();
      }
    }
    double[][] h = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        for (double[] sample : samples) {
          h[i][j] += sample[i] * sample[j];
        }
        h[i][j] = j > i ? Double.NaN : h[i][j] + (i == j ? 0.1 * n : 0);
      }
    }
    return h;
  }

  private static double[][] inverted(double[][] h, int threads) {
    double[][] rows = new double[h.length][];
    for (int i = 0; i < h.length; i++) {
      rows[i] = h[i].clone();
    }
    try (Workers workers = new Workers(threads)) {
      assertEquals(0, InverseFactor.of(rows, workers));
    }
    for (int i = 0; i < rows.length; i++) {
      java.util.Arrays.fill(rows[i], i + 1, rows.length, 0);
    }
    return rows;
  }

  /** L⁻¹ H L⁻ᵀ = I. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 64, 65, 130, 300, 513})
  void isTheInverseOfTheFactor(int n) {
    double[][] h = positive(n);
    double[][] inverse = inverted(h, 2);
    double[][] product = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int t = 0; t <= i; t++) {
        for (int j = 0; j < n; j++) {
          product[i][j] += inverse[i][t] * (t >= j ? h[t][j] : h[j][t]);
        }
      }
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double element = 0;
        for (int t = 0; t <= j; t++) {
          element += product[i][t] * inverse[j][t];
        }
        assertEquals(i == j ? 1 : 0, element, 1e-10, i + ", " + j);
      }
    }
    assertArrayEquals(inverse, inverted(h, 1), "other threads");
  }

  @Test
  void namesTheMinorThatIsNotPositive() {
    double[][] h = positive(200);
    h[150][150] = -1;
    try (Workers workers = new Workers(1)) {
      assertEquals(151, InverseFactor.of(h, workers));
    }
  }
}
