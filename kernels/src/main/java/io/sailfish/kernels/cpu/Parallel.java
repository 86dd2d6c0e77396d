package io.sailfish.kernels.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed set of threads for regions of some microseconds: workers spin for the next region before
 * they park, the calling thread takes part. Each starts with a share of neighbouring items, so that
 * what it reads lies one behind the other, and then takes what others have left, one by one, so a
 * core that is busy elsewhere only does fewer of them. Regions come from one thread at a time.
 */
final class Parallel implements AutoCloseable {
  /** About 50 µs: longer than the serial work between two regions of a forward pass. */
  private static final int SPINS_BEFORE_PARK = 2_000;

  /** When the caller has waited this long, a worker has probably lost its core: give way to it. */
  private static final int SPINS_BEFORE_YIELD = 10_000;

  /** One item of a region. */
  interface Task {
    /**
     * @param worker number of the thread, below {@link Parallel#threads()}, for its own scratch
     */
    void run(int item, int worker);
  }

  /** A region: fresh for each, so that a worker that is late finds no items left in it. */
  private static final class Region {
    final Task task;
    final int items;
    final AtomicInteger[] next;
    final AtomicInteger pending;
    volatile Throwable failure;

    Region(Task task, int items, int threads) {
      this.task = task;
      this.items = items;
      this.pending = new AtomicInteger(items);
      this.next = new AtomicInteger[threads];
      for (int share = 0; share < threads; share++) {
        next[share] = new AtomicInteger(first(share));
      }
    }

    private int first(int share) {
      return (int) ((long) items * share / next.length);
    }

    /** All that is left of the worker's own share, then of the others'. */
    void work(int worker) {
      for (int i = 0; i < next.length; i++) {
        share((worker + i) % next.length, worker);
      }
    }

    private void share(int share, int worker) {
      int end = first(share + 1);
      int item;
      while ((item = next[share].getAndIncrement()) < end) {
        try {
          task.run(item, worker);
        } catch (Throwable e) {
          failure = e;
        } finally {
          pending.decrementAndGet();
        }
      }
    }
  }

  private final Worker[] workers;
  private volatile Region current;
  private volatile boolean closed;

  private final class Worker extends Thread {
    private final int number;
    volatile boolean parked;

    Worker(int number) {
      super("sailfish-cpu-" + number);
      this.number = number;
      setDaemon(true);
    }

    @Override
    public void run() {
      Region done = null;
      while (!closed) {
        Region region = await(done);
        if (region != null && region != done) {
          region.work(number);
          done = region;
        }
      }
    }

    private Region await(Region done) {
      for (int i = 0; i < SPINS_BEFORE_PARK; i++) {
        if (current != done) {
          return current;
        }
        Thread.onSpinWait();
      }
      parked = true;
      // Looked at again after parked is visible: the caller sets current first, then reads parked.
      while (current == done && !closed) {
        LockSupport.park(this);
      }
      parked = false;
      return current;
    }
  }

  Parallel(int threads) {
    if (threads <= 0) {
      throw new IllegalArgumentException("threads=%d must be positive".formatted(threads));
    }
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
      workers[i].start();
    }
  }

  int threads() {
    return workers.length + 1;
  }

  /** Runs all items and returns when the last is done; throws what an item threw. */
  void run(int items, Task task) {
    if (closed) {
      throw new IllegalStateException("the CPU backend is closed");
    }
    if (items <= 1 || workers.length == 0) {
      for (int item = 0; item < items; item++) {
        task.run(item, 0);
      }
      return;
    }
    Region region = new Region(task, items, threads());
    current = region;
    for (Worker worker : workers) {
      if (worker.parked) {
        LockSupport.unpark(worker);
      }
    }
    region.work(0);
    for (int spins = 0; region.pending.get() > 0; spins++) {
      if (spins < SPINS_BEFORE_YIELD) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
    rethrow(region.failure);
  }

  private static void rethrow(Throwable failure) {
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Worker worker : workers) {
      LockSupport.unpark(worker);
    }
  }
}
