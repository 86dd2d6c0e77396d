package io.sailfish.spark.exec;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.Timer;
import java.util.TimerTask;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Opened models of an executor process that are no engines. A task holds what it asked for until it
 * ends; what no task has held for a minute is closed.
 *
 * @param <K> what says which model it is
 * @param <M> what is open of it
 */
public final class TaskModels<K, M> {
  private static final long IDLE_NANOS = 60_000_000_000L;
  private static final long LOOK_MILLIS = 10_000;

  private final String thread;
  private final int mostTasks;
  private final Function<K, M> opener;
  private final Consumer<M> closer;
  private final List<Held> all = new ArrayList<>();

  /** Null while nothing is open. */
  private Timer timer;

  /** Tasks and times are guarded by the list's owner, the model by this. */
  private final class Held {
    private final K key;
    private final Set<Object> tasks = new HashSet<>();
    private long leftAt;
    private M model;

    Held(K key) {
      this.key = key;
    }

    synchronized M model() {
      if (model == null) {
        model = opener.apply(key);
      }
      return model;
    }

    synchronized void close() {
      if (model != null) {
        closer.accept(model);
      }
    }
  }

  /**
   * @param thread name of the one that closes
   * @param mostTasks that hold the same one at a time; where more ask, another is opened
   */
  public TaskModels(String thread, int mostTasks, Function<K, M> opener, Consumer<M> closer) {
    this.thread = thread;
    this.mostTasks = mostTasks;
    this.opener = opener;
    this.closer = closer;
  }

  /** The running task's until it ends, the same whenever it asks. */
  public M ofTask(K key) {
    TaskContext task = TaskContext.get();
    return of(
        key,
        task,
        () -> task.addTaskCompletionListener((TaskCompletionListener) context -> release(task)));
  }

  /** Opens outside the lock, since that may take long. */
  M of(K key, Object task, Runnable whenHeld) {
    Held held;
    synchronized (this) {
      held = find(key, task);
      if (held.tasks.add(task)) {
        whenHeld.run();
      }
    }
    return held.model();
  }

  private Held find(K key, Object task) {
    Held free = null;
    for (Held held : all) {
      if (held.key.equals(key) && held.tasks.contains(task)) {
        return held;
      }
      if (held.key.equals(key) && held.tasks.size() < mostTasks) {
        free = held;
      }
    }
    if (free == null) {
      free = new Held(key);
      all.add(free);
      lookForIdle();
    }
    return free;
  }

  private void lookForIdle() {
    if (timer == null) {
      timer = new Timer(thread, true);
      timer.schedule(
          new TimerTask() {
            @Override
            public void run() {
              closeIdle(IDLE_NANOS);
            }
          },
          LOOK_MILLIS,
          LOOK_MILLIS);
    }
  }

  /** A task has ended. */
  synchronized void release(Object task) {
    for (Held held : all) {
      if (held.tasks.remove(task)) {
        held.leftAt = System.nanoTime();
      }
    }
  }

  /** Closes what no task has held for so long. */
  public synchronized void closeIdle(long nanos) {
    long now = System.nanoTime();
    all.removeIf(
        held -> {
          boolean idle = held.tasks.isEmpty() && now - held.leftAt >= nanos;
          if (idle) {
            held.close();
          }
          return idle;
        });
    if (all.isEmpty() && timer != null) {
      timer.cancel();
      timer = null;
    }
  }

  /** How many are open. */
  public synchronized int open() {
    return all.size();
  }
}
