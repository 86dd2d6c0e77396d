package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RecordedStepProbeTest {
  /** 2 ms up to 32 rows, then 50 us a row: 256 rows are cheapest, 32 memory-bound. */
  @Test
  void takesTheCheapestRowAndSaysWhereMemoryEndsToBeTheBound() {
    BatchCapProbe.Result result =
        RecordedStepProbe.measure(rows -> 2_000_000L + Math.max(0, rows - 32) * 50_000L, 256);
    assertEquals(256, result.cap());
    assertTrue(result.reason().endsWith("memory-bound up to 32"), result.reason());
  }

  /** From 64 rows on a row costs the same. */
  @Test
  void equalRowsDoNotMakeTheBatchLarger() {
    BatchCapProbe.Result result =
        RecordedStepProbe.measure(rows -> 10_000L * Math.max(64, rows), 256);
    assertEquals(64, result.cap());
  }

  /** The first steps of a size take memory and are recorded; they are no measure. */
  @Test
  void leavesTheFirstTwoStepsOfASizeOut() {
    List<Integer> seen = new ArrayList<>();
    BatchCapProbe.Result result =
        RecordedStepProbe.measure(
            rows -> {
              seen.add(rows);
              boolean first = seen.stream().filter(r -> r == rows).count() <= 2;
              return first ? 1L : 1_000_000L;
            },
            4);
    assertEquals(List.of(1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4), seen);
    assertTrue(result.reason().contains("1: 1.00, 2: 1.00, 4: 1.00"), result.reason());
  }
}
