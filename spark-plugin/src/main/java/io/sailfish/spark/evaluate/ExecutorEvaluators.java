package io.sailfish.spark.evaluate;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.evaluate.Evaluator;
import io.sailfish.llama.evaluate.TextWindows;
import io.sailfish.spark.CardChoice;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.Spliterators;
import java.util.Timer;
import java.util.TimerTask;
import java.util.stream.StreamSupport;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Opened models of an executor process: its tasks take turns with one pair, which computes on all
 * of the executor's threads or its card. What no task has asked for a while is closed.
 */
final class ExecutorEvaluators {
  private static final long IDLE_NANOS = 60_000_000_000L;
  private static final long LOOK_MILLIS = 10_000;

  /** By job; each opens what it needs when it is asked for it. */
  private static final Map<EvaluationJob, Shared> OPEN = new HashMap<>();

  private static Timer timer;

  private ExecutorEvaluators() {}

  /** What a job's tasks share. */
  private static final class Shared {
    private final EvaluationJob job;
    private TextWindows windows;
    private Evaluator evaluator;
    private int users;
    private long leftAt;

    Shared(EvaluationJob job) {
      this.job = job;
    }

    synchronized TextWindows windows() {
      if (windows == null) {
        windows = TextWindows.of(ModelSource.ofHost(job.model()), job.length());
      }
      return windows;
    }

    synchronized EvaluationSums score(int... window) {
      if (evaluator == null) {
        Path original = job.original() == null ? null : ModelSource.ofHost(job.original());
        BackendRequest backend = CardChoice.ofTask(job.backend());
        evaluator = new Evaluator(ModelSource.ofHost(job.model()), original, backend, job.length());
      }
      return evaluator.score(window);
    }

    synchronized void close() {
      if (windows != null) {
        windows.close();
      }
      if (evaluator != null) {
        evaluator.close();
      }
    }
  }

  /** The windows of texts; nulls are passed over. */
  static Iterator<TextWindow> windows(EvaluationJob job, Iterator<String> texts) {
    TextWindows cutter = held(job).windows();
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(texts, 0), false)
        .filter(Objects::nonNull)
        .flatMap(text -> cutter.cut(text).stream())
        .map(TextWindow::of)
        .iterator();
  }

  /** What the windows of a partition add up to. */
  static EvaluationSums sums(EvaluationJob job, Iterator<TextWindow> windows) {
    Shared shared = held(job);
    EvaluationSums sums = EvaluationSums.NONE;
    while (windows.hasNext()) {
      TaskContext.get().killTaskIfInterrupted();
      sums = sums.plus(shared.score(windows.next().tokens()));
    }
    return sums;
  }

  /** The running task's until it ends. */
  private static synchronized Shared held(EvaluationJob job) {
    Shared held = OPEN.computeIfAbsent(job, Shared::new);
    if (timer == null) {
      timer = new Timer("sailfish-evaluators", true);
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
    held.users++;
    TaskContext.get().addTaskCompletionListener((TaskCompletionListener) context -> release(held));
    return held;
  }

  private static synchronized void release(Shared shared) {
    shared.users--;
    shared.leftAt = System.nanoTime();
  }

  /** Closes what no task has held for so long. */
  static synchronized void closeIdle(long nanos) {
    long now = System.nanoTime();
    OPEN.values()
        .removeIf(
            shared -> {
              boolean idle = shared.users == 0 && now - shared.leftAt >= nanos;
              if (idle) {
                shared.close();
              }
              return idle;
            });
    if (OPEN.isEmpty() && timer != null) {
      timer.cancel();
      timer = null;
    }
  }

  static synchronized int open() {
    return OPEN.size();
  }
}
