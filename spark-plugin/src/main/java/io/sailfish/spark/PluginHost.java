package io.sailfish.spark;

import io.sailfish.llama.RuntimeInfo;
import io.sailfish.spark.SailfishDriverPlugin.ModelLoaded;
import io.sailfish.spark.SailfishDriverPlugin.NotAgain;
import io.sailfish.spark.exec.ExecutorHost;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkContext$;
import org.apache.spark.TaskContext;
import org.apache.spark.api.plugin.PluginContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** This executor and its driver, which is the same process in local mode. */
final class PluginHost implements ExecutorHost {
  private static final Logger LOG = LoggerFactory.getLogger(PluginHost.class);

  /** Exit status of an executor whose engine is unusable. */
  private static final int UNUSABLE = 87;

  /** Time for the failed task's report to reach the driver. */
  private static final long REPORT_MILLIS = 1000;

  private final PluginContext context;
  private final AtomicBoolean exiting = new AtomicBoolean();

  PluginHost(PluginContext context) {
    this.context = context;
  }

  /** EXPLAIN is the poorer where this fails, and nothing else. */
  @Override
  public void loaded(String model, RuntimeInfo info) {
    try {
      context.ask(new ModelLoaded(model, info));
    } catch (Exception e) {
      LOG.warn("The driver could not be told of the model {}", model, e);
    }
  }

  @Override
  public void exit(String reason) {
    if (context.executorID().equals(SparkContext$.MODULE$.DRIVER_IDENTIFIER())) {
      LOG.error("{}; in local mode the application has to be started again", reason);
      return;
    }
    if (exiting.getAndSet(true)) {
      // Until it ends Spark sends this executor the failed task again and others. If they failed
      // too, at once, a task would have used up its tries before there is another executor.
      awaitEnd();
      return;
    }
    LOG.error("Executor {} exits, to be replaced: {}", context.executorID(), reason);
    Thread exit = new Thread(PluginHost::haltSoon, "sailfish-exit");
    exit.setDaemon(true);
    exit.start();
  }

  private static void awaitEnd() {
    try {
      Thread.sleep(2 * REPORT_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the task is killed, and reports that
    }
  }

  private static void haltSoon() {
    try {
      Thread.sleep(REPORT_MILLIS);
    } catch (InterruptedException e) {
      LOG.warn("Interrupted before the exit; exiting now", e);
    }
    // halt, as an unusable device can hang its library's shutdown hooks
    Runtime.getRuntime().halt(UNUSABLE);
  }

  /** Returns when the driver has ended the stage, so that it starts no other try. */
  @Override
  public void giveUp(TaskContext task, SailfishException failure) {
    try {
      context.ask(new NotAgain(task.stageId(), task.stageAttemptNumber(), failure));
    } catch (Exception e) {
      LOG.warn("The driver could not be told that trying again is in vain", e);
    }
  }
}
