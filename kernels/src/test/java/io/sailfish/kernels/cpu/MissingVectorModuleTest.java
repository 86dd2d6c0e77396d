package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.EncodedSource;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.format.QuantFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A JVM that was started without the vector module computes the same and says what it lacks. */
class MissingVectorModuleTest {
  @Test
  void plainLoopsTakeOver() throws IOException, InterruptedException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process process =
        new ProcessBuilder(
                java, "-cp", System.getProperty("java.class.path"), Computation.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertEquals(2, output.split("--add-modules=jdk.incubator.vector", -1).length, output);
    assertTrue(output.contains("result " + Computation.compute()), output);
  }

  /** What the other JVM runs. */
  public static final class Computation {
    public static void main(String[] args) {
      CpuBackend.open(1).close();
      System.out.println("result " + compute());
    }

    static String compute() {
      try (Backend backend = CpuBackend.open(2)) {
        EncodedSource source = new EncodedSource("w", QuantFormat.Q4_1, 40, 64, 2);
        Weight w = backend.weight("w", List.of(source));
        Tensor x = backend.floats(2, 64, "x");
        float[] ones = new float[128];
        Arrays.fill(ones, 0.3f);
        backend.write(x, 0, ones, 0, 128);
        Tensor y = backend.floats(2, 40, "y");
        backend.ops().linear(y, x, w, 2);
        float[] result = new float[80];
        backend.read(y, 0, result, 0, 80);
        return Integer.toHexString(Arrays.hashCode(result));
      }
    }
  }
}
