package io.sailfish.spark.quantize;

import io.sailfish.llama.quantize.ClusterSteps;
import io.sailfish.spark.exec.TaskModels;
import io.sailfish.spark.source.ModelSource;

/**
 * Opened models of an executor process, one for each task that runs at a time: opening one for each
 * of a job's many short tasks would cost more than they do. Each computes on one thread, since
 * Spark runs as many tasks as it has cores.
 */
final class ExecutorSteps {
  /** By the model's path. */
  static final TaskModels<String, ClusterSteps> OPEN =
      new TaskModels<>(
          "sailfish-steps",
          1,
          model -> new ClusterSteps(ModelSource.ofHost(model), 1),
          ClusterSteps::close);

  private ExecutorSteps() {}

  /** Steps over a model, the running task's until it ends. */
  static ClusterSteps of(String model) {
    return OPEN.ofTask(model);
  }
}
