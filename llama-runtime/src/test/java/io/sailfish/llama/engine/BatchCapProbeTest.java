package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class BatchCapProbeTest {
  @Test
  void memoryBoundStepsKeepTheLargestBatch() {
    assertEquals(32, BatchCapProbe.search(rows -> 1_000_000, () -> false).cap());
  }

  /** From 8 rows on a row costs the same: more rows only take memory. */
  @Test
  void computeBoundStepsGetTheSmallestBatchThatIsAsCheap() {
    BatchCapProbe.Result result =
        BatchCapProbe.search(rows -> 1_000_000L * Math.max(8, rows), () -> false);
    assertEquals(8, result.cap());
    assertTrue(result.reason().startsWith("measured"), result.reason());
  }

  /** One slow measurement must not end at a batch that is too small. */
  @Test
  void oneDelayedSizeMakesTheBatchLargerNotSmaller() {
    BatchCapProbe.Result result =
        BatchCapProbe.search(
            rows -> (rows == 16 ? 10 : 1) * 1_000_000L * Math.max(4, rows), () -> false);
    assertEquals(32, result.cap());
  }

  @Test
  void withoutTimeTheDefaultStaysAndTheReasonSaysSo() {
    AtomicInteger steps = new AtomicInteger();
    BatchCapProbe.Result none = BatchCapProbe.search(rows -> steps.incrementAndGet(), () -> true);
    assertEquals(32, none.cap());
    assertEquals(0, steps.get());
    assertTrue(none.reason().contains("no time"), none.reason());

    BatchCapProbe.Result some =
        BatchCapProbe.search(
            rows -> 1_000_000L * rows + steps.incrementAndGet(), () -> steps.get() >= 4);
    assertEquals(16, some.cap());
    assertTrue(some.reason().contains("16: "), some.reason());
  }
}
