package io.sailfish.spark.exec;

/** Ends this executor, so that the cluster manager replaces it. */
@FunctionalInterface
public interface ExecutorExit {
  /**
   * @param reason for the log
   */
  void exit(String reason);
}
