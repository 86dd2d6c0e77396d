package io.sailfish.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cpu.CpuVariants;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every case on every CPU implementation: close to the reference, and the same bits everywhere. */
class OpsContractTest {
  private static final Map<String, Backend> BACKENDS = new HashMap<>();
  private static Backend reference;

  @BeforeAll
  static void open() {
    reference = CpuBackend.reference();
    for (Map.Entry<String, IntFunction<Backend>> variant : CpuVariants.fast().entrySet()) {
      BACKENDS.put(variant.getKey(), variant.getValue().apply(2));
    }
    BACKENDS.put("vector, 1 thread", CpuBackend.open(1));
    BACKENDS.put("vector, 5 threads", CpuBackend.open(5));
  }

  @AfterAll
  static void close() {
    BACKENDS.values().forEach(Backend::close);
    BACKENDS.clear();
    reference.close();
  }

  static List<KernelCase> cases() {
    return KernelCase.all();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void closeToReference(KernelCase kernel) {
    float[] expected = kernel.run(reference, 0, kernel.rows());
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 1e-3, "the case must compute something");
    for (Map.Entry<String, Backend> backend : BACKENDS.entrySet()) {
      float[] got = kernel.run(backend.getValue(), 0, kernel.rows());
      double worst = 0;
      for (int i = 0; i < expected.length; i++) {
        double error = Math.abs((double) got[i] - expected[i]) / largest;
        worst = Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(worst, error);
      }
      assertTrue(
          worst <= kernel.tolerance(),
          "%s on %s: relative error %.3g".formatted(kernel, backend.getKey(), worst));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void sameBitsOnEveryImplementation(KernelCase kernel) {
    int[] expected = bits(kernel.run(BACKENDS.get("plain"), 0, kernel.rows()));
    for (Map.Entry<String, Backend> backend : BACKENDS.entrySet()) {
      int[] got = bits(kernel.run(backend.getValue(), 0, kernel.rows()));
      assertArrayEquals(expected, got, kernel + " on " + backend.getKey());
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void sameBitsForEveryBatch(KernelCase kernel) {
    for (String name : List.of("vector", "vector128")) {
      Backend backend = BACKENDS.get(name);
      int[] expected = bits(kernel.run(backend, 0, kernel.rows()));
      int cols = expected.length / kernel.rows();
      for (int batch : new int[] {1, 3, 8}) {
        for (int first = 0; first < kernel.rows(); first += batch) {
          int count = Math.min(batch, kernel.rows() - first);
          assertArrayEquals(
              Arrays.copyOfRange(expected, first * cols, (first + count) * cols),
              bits(kernel.run(backend, first, count)),
              "%s on %s, rows %d to %d".formatted(kernel, name, first, first + count - 1));
        }
      }
    }
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
    return bits;
  }
}
