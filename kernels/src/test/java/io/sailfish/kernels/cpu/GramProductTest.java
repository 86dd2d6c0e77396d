package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.Tensor;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GramProductTest {
  private static double[] gram(CpuBackend backend, float[] values, int rows, int cols) {
    try (backend) {
      Tensor x = backend.floats(rows, cols, "x");
      backend.write(x, 0, values, 0, values.length);
      double[] gram = new double[cols * cols];
      gram[cols - 1] = 1;
      backend.addGram(gram, x, rows);
      assertThrows(KernelException.class, () -> backend.addGram(gram, x, rows + 1));
      assertThrows(KernelException.class, () -> backend.addGram(new double[cols], x, rows));
      return gram;
    }
  }

  @ParameterizedTest
  @CsvSource({"1,2", "7,33", "384,32", "500,70", "2100,96"})
  void addsSecondMoments(int rows, int cols) {
    Random random = new Random(5);
    float[] x = new float[rows * cols];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    double[] gram = gram(CpuBackend.open(2), x, rows, cols);
    for (int i = 0; i < cols; i++) {
      for (int j = i; j < cols; j++) {
        double sum = i == 0 && j == cols - 1 ? 1 : 0;
        for (int r = 0; r < rows; r++) {
          sum += (double) x[r * cols + i] * x[r * cols + j];
        }
        assertEquals(sum, gram[i * cols + j], 2e-5 * rows, i + "," + j);
      }
    }
    assertArrayEquals(gram, gram(CpuBackend.open(1), x, rows, cols), "other threads");
    assertArrayEquals(gram, gram(CpuBackend.plain(3), x, rows, cols), "plain loops");
  }
}
