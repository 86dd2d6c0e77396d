package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;

/** What any thread asks of the engine's thread, until that takes no more. */
final class Commands {
  private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();

  /** Why no more are taken; guarded by {@link #queue}. */
  private RuntimeFailure ended;

  /** Queues a command; the reason if no more are taken, else null. */
  RuntimeFailure add(Runnable command) {
    synchronized (queue) {
      if (ended == null) {
        queue.add(command);
      }
      return ended;
    }
  }

  /** Waits for a command. */
  Runnable take() throws InterruptedException {
    return queue.take();
  }

  /** Runs what is there. */
  void runAll() {
    for (Runnable next = queue.poll(); next != null; next = queue.poll()) {
      next.run();
    }
  }

  /** Takes no more; returns those that were not run. */
  List<Runnable> end(RuntimeFailure reason) {
    List<Runnable> left = new ArrayList<>();
    synchronized (queue) {
      ended = reason;
      queue.drainTo(left);
    }
    return left;
  }
}
