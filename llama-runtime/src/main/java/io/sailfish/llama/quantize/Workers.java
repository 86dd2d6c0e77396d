package io.sailfish.llama.quantize;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Threads for work that falls into independent pieces; results do not depend on their number. */
public final class Workers implements AutoCloseable {
  /** Pieces a thread, so that a slow one does not hold up the rest. */
  private static final int PIECES_PER_THREAD = 4;

  private final ExecutorService pool;
  private final int threads;

  /** Work on items {@code [from, to)}. */
  public interface Range {
    void run(int from, int to);
  }

  /**
   * @param threads 0 = all processors
   */
  public Workers(int threads) {
    AtomicInteger number = new AtomicInteger();
    this.threads = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    this.pool =
        Executors.newFixedThreadPool(
            this.threads,
            work -> {
              Thread thread = new Thread(work, "sailfish-quantize-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  /** Returns when all items are done; throws what the first piece to fail threw. */
  public void run(int items, Range work) {
    int size = Math.max(1, items / (threads * PIECES_PER_THREAD));
    List<Future<?>> pieces = new ArrayList<>();
    for (int from = 0; from < items; from += size) {
      int first = from;
      int end = Math.min(items, from + size);
      pieces.add(pool.submit(() -> work.run(first, end)));
    }
    for (Future<?> piece : pieces) {
      try {
        piece.get();
      } catch (ExecutionException e) {
        throw rethrown(e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while quantising", e);
      }
    }
  }

  private static RuntimeException rethrown(Throwable cause) {
    if (cause instanceof Error error) {
      throw error;
    }
    return cause instanceof RuntimeException e ? e : new IllegalStateException(cause);
  }

  @Override
  public void close() {
    pool.shutdownNow();
  }
}
