package io.sailfish.spark.exec;

import io.sailfish.llama.RuntimeInfo;
import io.sailfish.spark.SailfishException;
import org.apache.spark.TaskContext;

/** What models and tasks ask of the process they run in, and through it of the driver. */
public interface ExecutorHost {
  /** Tells the driver what was loaded, for EXPLAIN. */
  void loaded(String model, RuntimeInfo info);

  /**
   * Ends this executor, so that the cluster manager replaces it. The first caller returns at once,
   * to report why; others are held until the end.
   *
   * @param reason for the log
   */
  void exit(String reason);

  /**
   * Ends the task's stage with {@code failure}, as every further try of the task would end the
   * same. Where that cannot be done Spark tries as often as it does with any task.
   */
  void giveUp(TaskContext task, SailfishException failure);
}
