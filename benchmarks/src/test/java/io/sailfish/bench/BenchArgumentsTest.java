package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.format.QuantFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What benchmarks refuse rather than measure something else. */
class BenchArgumentsTest {
  @Test
  void packsTheFormatThatWasAskedForOrNone() {
    assertEquals(QuantFormat.Q4_0, PackBench.format("q4_0"));
    assertEquals(QuantFormat.U4, PackBench.format("u4"));
    assertThrows(IllegalArgumentException.class, () -> PackBench.format("q4_1"));
  }

  @Test
  void aJobHasOneAnswerForEachRow() {
    List<String> prompts = List.of("b", "a");
    assertDoesNotThrow(() -> GpuClusterBench.requireEach(prompts, Stream.of("a", "b")));
    for (List<String> wrong : List.of(List.of("a"), List.of("a", "a"), List.of("a", "b", "b"))) {
      assertThrows(
          IllegalStateException.class,
          () -> GpuClusterBench.requireEach(prompts, wrong.stream()),
          wrong::toString);
    }
    IllegalStateException e =
        assertThrows(
            IllegalStateException.class,
            () -> GpuClusterBench.requireEach(prompts, Stream.of("a", "a")));
    assertTrue(e.getMessage().contains("2 rows have 2 answers, to 1 of them"), e.getMessage());
  }
}
