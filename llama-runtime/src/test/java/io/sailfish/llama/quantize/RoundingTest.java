package io.sailfish.llama.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.quantize.Recipe.Choice;
import io.sailfish.llama.quantize.Recipe.Method;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RoundingTest {
  private static final int ROWS = 37;
  private static final int COLS = 96;
  private static final double DAMPING = 0.01;

  private final Random random = new Random(11);
  private final Matrix matrix = new Matrix("m", ROWS, COLS, gaussian(ROWS * COLS));
  private final Hessian hessian = correlated();

  private float[] gaussian(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Moments of 200 rows of inputs that are mixtures of 40 sources and of different sizes. */
  private Hessian correlated() {
    float[] mix = gaussian(40 * COLS);
    double[] gram = new double[COLS * COLS];
    for (int t = 0; t < 200; t++) {
      float[] source = gaussian(40);
      double[] x = new double[COLS];
      for (int c = 0; c < COLS; c++) {
        for (int s = 0; s < source.length; s++) {
          x[c] += source[s] * mix[s * COLS + c] * (1 + c % 7);
        }
      }
      for (int i = 0; i < COLS; i++) {
        for (int j = i; j < COLS; j++) {
          gram[i * COLS + j] += x[i] * x[j];
        }
      }
    }
    return new Hessian(COLS, gram);
  }

  private QuantizedMatrix gptq(Grid grid, int group, int threads) {
    try (Workers workers = new Workers(threads)) {
      FittedGrid fitted =
          GridFitter.fit(new Choice(Method.GPTQ, grid, group), matrix, null, workers);
      int[] order = Rounding.byMoment(hessian);
      float[] factor = hessian.inverseFactor(order, DAMPING, workers);
      return Rounding.compensated(matrix, fitted, order, factor, workers);
    }
  }

  private QuantizedMatrix rtn(Choice choice) {
    try (Workers workers = new Workers(2)) {
      FittedGrid fitted = GridFitter.fit(choice, matrix, hessian.diagonal(), workers);
      return Rounding.nearest(matrix, fitted, workers);
    }
  }

  /** Optimal brain quantization in a fixed order, with the inverse itself, in double. */
  private byte[] textbook(FittedGrid fitted) {
    int[] order =
        IntStream.range(0, COLS)
            .boxed()
            .sorted((a, b) -> Double.compare(hessian.at(b, b), hessian.at(a, a)))
            .mapToInt(i -> i)
            .toArray();
    double mean = Arrays.stream(hessian.diagonal()).average().orElseThrow();
    double[][] damped = new double[COLS][COLS];
    for (int i = 0; i < COLS; i++) {
      for (int j = 0; j < COLS; j++) {
        damped[i][j] = hessian.at(order[i], order[j]) + (i == j ? DAMPING * mean : 0);
      }
    }
    byte[] codes = new byte[ROWS * COLS];
    for (int row = 0; row < ROWS; row++) {
      double[][] inverse = inverse(damped);
      double[] w = new double[COLS];
      for (int i = 0; i < COLS; i++) {
        w[i] = matrix.values()[row * COLS + order[i]];
      }
      for (int i = 0; i < COLS; i++) {
        int code = fitted.nearest(row, order[i], (float) w[i]);
        codes[row * COLS + order[i]] = (byte) code;
        double error = (w[i] - fitted.value(row, order[i], code)) / inverse[i][i];
        for (int j = i + 1; j < COLS; j++) {
          w[j] -= error * inverse[i][j];
        }
        for (int a = i + 1; a < COLS; a++) {
          for (int b = i + 1; b < COLS; b++) {
            inverse[a][b] -= inverse[a][i] * inverse[i][b] / inverse[i][i];
          }
        }
      }
    }
    return codes;
  }

  /** Gauss-Jordan. */
  private static double[][] inverse(double[][] matrix) {
    int n = matrix.length;
    double[][] a = new double[n][2 * n];
    for (int i = 0; i < n; i++) {
      System.arraycopy(matrix[i], 0, a[i], 0, n);
      a[i][n + i] = 1;
    }
    for (int i = 0; i < n; i++) {
      double pivot = a[i][i];
      for (int j = 0; j < 2 * n; j++) {
        a[i][j] /= pivot;
      }
      for (int k = 0; k < n; k++) {
        double factor = a[k][i];
        for (int j = 0; k != i && j < 2 * n; j++) {
          a[k][j] -= factor * a[i][j];
        }
      }
    }
    double[][] inverse = new double[n][];
    for (int i = 0; i < n; i++) {
      inverse[i] = Arrays.copyOfRange(a[i], n, 2 * n);
    }
    return inverse;
  }

  @ParameterizedTest
  @EnumSource(names = {"INT4", "INT3_SYM", "NF4", "LUT3"})
  void gptqIsTheTextbooks(Grid grid) {
    QuantizedMatrix ours = gptq(grid, 64, 2);
    byte[] expected = textbook(ours.fitted());
    int different = 0;
    for (int i = 0; i < expected.length; i++) {
      different += expected[i] == ours.codes()[i] ? 0 : 1;
    }
    // Ours runs in fp32: a weight that lies between two codes may fall to the other side.
    assertTrue(different <= expected.length / 200, different + " codes differ");
  }

  @Test
  void threadsChangeNothing() {
    assertArrayEquals(gptq(Grid.INT4, 32, 1).codes(), gptq(Grid.INT4, 32, 3).codes());
  }

  private double error(QuantizedMatrix quantized) {
    float[][] errors = new float[ROWS][COLS];
    for (int r = 0; r < ROWS; r++) {
      quantized.row(r, errors[r]);
      for (int c = 0; c < COLS; c++) {
        errors[r][c] = matrix.values()[r * COLS + c] - errors[r][c];
      }
    }
    double direct = 0;
    for (float[] e : errors) {
      for (int i = 0; i < COLS; i++) {
        for (int j = 0; j < COLS; j++) {
          direct += hessian.at(i, j) * e[i] * e[j];
        }
      }
    }
    assertEquals(direct, Hessian.quadratic(hessian.floats(), errors), 1e-4 * direct);
    return direct;
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"INT8"})
  void gptqErrsLessThanNearest(Grid grid) {
    double nearest = error(rtn(new Choice(Method.RTN, grid, 32)));
    assertTrue(error(gptq(grid, 32, 2)) < 0.6 * nearest);
  }

  @Test
  void awqErrsLessThanNearestOnUnequalInputs() {
    Choice choice = new Choice(Method.AWQ, Grid.INT3, 32);
    try (Workers workers = new Workers(2)) {
      float[] scales = new Awq(choice, workers).scales(java.util.List.of(matrix), hessian, 200);
      Matrix scaled = Awq.scaled(matrix, scales);
      FittedGrid fitted = GridFitter.fit(choice, scaled, null, workers);
      QuantizedMatrix rounded = Rounding.nearest(scaled, fitted, workers);
      float[][] errors = new float[ROWS][COLS];
      for (int r = 0; r < ROWS; r++) {
        rounded.row(r, errors[r]);
        for (int c = 0; c < COLS; c++) {
          errors[r][c] = matrix.values()[r * COLS + c] - errors[r][c] / scales[c];
        }
      }
      double awq = Hessian.quadratic(hessian.floats(), errors);
      assertTrue(awq < 0.9 * error(rtn(new Choice(Method.RTN, Grid.INT3, 32))), "" + awq);
    }
  }

  @Test
  void clippingAndSensitiveTablesErrLess() {
    Choice plain = new Choice(Method.RTN, Grid.INT2, 32);
    Choice clipped = new Choice(Method.RTN, Grid.INT2, 32, true, false, DAMPING);
    assertTrue(weighted(rtn(clipped)) < weighted(rtn(plain)));
    Choice table = new Choice(Method.RTN, Grid.LUT3, 32);
    Choice sensitive = new Choice(Method.RTN, Grid.LUT3, 32, false, true, DAMPING);
    assertTrue(weighted(rtn(sensitive)) < weighted(rtn(table)));
    assertTrue(weighted(rtn(table)) < weighted(rtn(new Choice(Method.RTN, Grid.INT3, 32))));
  }

  /** Squared error of weights, each by its input's moment. */
  private double weighted(QuantizedMatrix quantized) {
    double sum = 0;
    float[] row = new float[COLS];
    for (int r = 0; r < ROWS; r++) {
      quantized.row(r, row);
      for (int c = 0; c < COLS; c++) {
        sum += hessian.at(c, c) * Math.pow(matrix.values()[r * COLS + c] - row[c], 2);
      }
    }
    return sum;
  }

  @Test
  void weightsOnTheGridComeBackExactly() {
    for (Grid grid : Grid.values()) {
      QuantizedMatrix once = rtn(new Choice(Method.RTN, grid, 32));
      float[] values = new float[ROWS * COLS];
      float[] row = new float[COLS];
      for (int r = 0; r < ROWS; r++) {
        once.row(r, row);
        System.arraycopy(row, 0, values, r * COLS, COLS);
      }
      Matrix onGrid = new Matrix("m", ROWS, COLS, values);
      try (Workers workers = new Workers(1)) {
        assertArrayEquals(
            values, Matrix.read("m", Rounding.nearest(onGrid, once.fitted(), workers)).values());
      }
    }
  }

  @Test
  void aHessianOfNothingIsRefusedOrDamped() {
    Hessian empty = new Hessian(COLS, new double[COLS * COLS]);
    int[] order = IntStream.range(0, COLS).toArray();
    double[] broken = hessian.gram().clone();
    broken[1] = 1e12;
    try (Workers workers = new Workers(1)) {
      assertEquals(1, empty.inverseFactor(order, DAMPING, workers)[0]);
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> new Hessian(COLS, broken).inverseFactor(order, DAMPING, workers));
      assertTrue(e.getMessage().contains("raise the damping"), e.getMessage());
    }
  }
}
