package io.sailfish.spark.quantize;

import io.sailfish.llama.quantize.ClusterSteps;
import io.sailfish.spark.source.ModelSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Opened models of an executor process, one for each task that runs at a time: opening one for each
 * of a job's many short tasks would cost more than they do. Each computes on one thread, since
 * Spark runs as many tasks as it has cores.
 */
final class ExecutorSteps {
  private static final Map<String, Deque<ClusterSteps>> IDLE = new ConcurrentHashMap<>();

  private ExecutorSteps() {}

  /** Steps over a model, the running task's until it ends. */
  static ClusterSteps of(String model) {
    Deque<ClusterSteps> idle = IDLE.computeIfAbsent(model, path -> new ArrayDeque<>());
    ClusterSteps steps;
    synchronized (idle) {
      steps = idle.poll();
    }
    ClusterSteps own = steps == null ? new ClusterSteps(ModelSource.ofHost(model), 1) : steps;
    TaskContext.get()
        .addTaskCompletionListener(
            (TaskCompletionListener)
                context -> {
                  synchronized (idle) {
                    idle.push(own);
                  }
                });
    return own;
  }
}
