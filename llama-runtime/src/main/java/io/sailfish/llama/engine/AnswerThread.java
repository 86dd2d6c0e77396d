package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Makes texts of rows that have ended and completes their tickets, so that nobody's code runs on
 * the engine's thread between two steps.
 */
final class AnswerThread {
  private final ExecutorService executor;

  /** Null until there was something to do. */
  private volatile Thread thread;

  /** Not handed over yet; confined to the engine's thread. */
  private final List<Runnable> ends = new ArrayList<>();

  AnswerThread(String name) {
    executor = Executors.newSingleThreadExecutor(task -> thread = daemon(task, name));
  }

  static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /** Notes the end of a row, for when the metrics of its step can be seen. */
  void add(Runnable end) {
    ends.add(end);
  }

  void handOver() {
    ends.forEach(executor::execute);
    ends.clear();
  }

  boolean isCurrent() {
    return Thread.currentThread() == thread;
  }

  /** Ends when all that was handed over is done. */
  void shutdown() {
    executor.shutdown();
  }

  boolean hasEnded() {
    return executor.isTerminated();
  }

  /** Waits a while for its end. */
  void awaitEnd() throws InterruptedException {
    executor.awaitTermination(1, TimeUnit.MINUTES);
  }
}
