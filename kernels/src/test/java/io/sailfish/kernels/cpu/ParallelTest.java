package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ParallelTest {
  @Test
  void runsEveryItemOnce() {
    for (int threads : new int[] {1, 2, 7}) {
      try (Parallel parallel = new Parallel(threads)) {
        for (int region = 0; region < 3000; region++) {
          int items = region % 20;
          AtomicIntegerArray runs = new AtomicIntegerArray(items);
          parallel.run(
              items,
              (item, worker) -> {
                assertTrue(worker >= 0 && worker < threads);
                runs.incrementAndGet(item);
              });
          for (int i = 0; i < items; i++) {
            assertEquals(1, runs.get(i));
          }
        }
      }
    }
  }

  @Test
  void wakesParkedWorkers() throws InterruptedException {
    try (Parallel parallel = new Parallel(3)) {
      for (int region = 0; region < 5; region++) {
        Thread.sleep(20); // long enough for the workers to park
        AtomicIntegerArray runs = new AtomicIntegerArray(50);
        parallel.run(50, (item, worker) -> runs.incrementAndGet(item));
        for (int i = 0; i < 50; i++) {
          assertEquals(1, runs.get(i));
        }
      }
    }
  }

  @Test
  void throwsWhatAnItemThrewAndGoesOn() {
    try (Parallel parallel = new Parallel(2)) {
      assertThrows(
          ArithmeticException.class,
          () ->
              parallel.run(
                  100,
                  (item, worker) -> {
                    if (item == 57) {
                      throw new ArithmeticException("57");
                    }
                  }));
      AtomicIntegerArray runs = new AtomicIntegerArray(1);
      parallel.run(10, (item, worker) -> runs.incrementAndGet(0));
      assertEquals(10, runs.get(0));
    }
  }

  @Test
  void endsItsThreads() throws InterruptedException {
    Parallel parallel = new Parallel(3);
    parallel.run(10, (item, worker) -> {});
    parallel.close();
    assertThrows(IllegalStateException.class, () -> parallel.run(2, (item, worker) -> {}));
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith("sailfish-cpu-")) {
        assertTrue(thread.isDaemon());
      }
    }
    assertThrows(IllegalArgumentException.class, () -> new Parallel(0));
    assertFalse(Thread.currentThread().isInterrupted());
  }
}
