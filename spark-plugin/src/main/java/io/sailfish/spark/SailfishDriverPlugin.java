package io.sailfish.spark;

import io.sailfish.llama.RuntimeInfo;
import io.sailfish.spark.catalyst.SailfishExtensions;
import io.sailfish.spark.conf.SailfishConf;
import java.io.Serializable;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.resource.ResourceInformation;
import org.apache.spark.scheduler.TaskSchedulerImpl;
import org.apache.spark.scheduler.TaskSetManager;
import scala.Option;
import scala.Tuple2;

/** Checks the settings when the application starts and brings in the SQL functions. */
final class SailfishDriverPlugin implements DriverPlugin {
  /** For executors: the application's time, which chat templates may print. */
  static final String TEMPLATE_TIME = "templateTime";

  /** For the executor in a local driver: the GPU that Spark gave the driver. */
  static final String CARD = "card";

  private static final String EXTENSIONS = "spark.sql.extensions";

  /** An executor's message: it has loaded a model. */
  record ModelLoaded(String model, RuntimeInfo info) implements Serializable {}

  /** An executor's message: a task of the stage failed, and every other try would as well. */
  record NotAgain(int stage, int stageAttempt, SailfishException failure) implements Serializable {}

  private SparkContext spark;

  @Override
  public Map<String, String> init(SparkContext sc, PluginContext context) {
    spark = sc;
    SparkConf settings = context.conf(); // the live one; sc.getConf() is a copy
    SailfishConf conf = SailfishConf.of(all(settings));
    requireModels(conf);
    CardChoice.check(conf, all(settings));
    String extension = SailfishExtensions.class.getName();
    String others = settings.get(EXTENSIONS, "");
    if (!List.of(others.split(",")).contains(extension)) {
      settings.set(EXTENSIONS, others.isBlank() ? extension : others + "," + extension);
    }
    Map<String, String> forExecutors = new HashMap<>();
    forExecutors.put(TEMPLATE_TIME, Instant.now().toString());
    ResourceInformation gpu = context.resources().get(CardChoice.RESOURCE);
    if (gpu != null && gpu.addresses().length > 0) {
      forExecutors.put(CARD, gpu.addresses()[0]);
    }
    return forExecutors;
  }

  @Override
  public Object receive(Object message) {
    if (message instanceof ModelLoaded loaded) {
      LoadedModels.add(loaded.model(), loaded.info());
    } else if (message instanceof NotAgain failed) {
      endStage(failed);
    }
    return null;
  }

  /**
   * What Spark does with a task that has failed spark.task.maxFailures times. It has no public way
   * to say that a failure is final: cancelling the stage would lose the failure's condition and
   * SQLSTATE. Another scheduler than Spark's own tries the task again as usual.
   */
  private void endStage(NotAgain failed) {
    if (spark.taskScheduler() instanceof TaskSchedulerImpl scheduler) {
      Option<TaskSetManager> tasks =
          scheduler.taskSetManagerForAttempt(failed.stage(), failed.stageAttempt());
      if (tasks.isDefined()) {
        String reason =
            "A task of stage %d.%d failed and is not tried again: %s"
                .formatted(failed.stage(), failed.stageAttempt(), failed.failure().getMessage());
        tasks.get().abort(reason, Option.apply(failed.failure()));
      }
    }
  }

  @Override
  public void shutdown() {
    LoadedModels.clear();
  }

  private static void requireModels(SailfishConf conf) {
    Map<String, String> models = conf.models();
    if (models.isEmpty()) {
      throw new IllegalArgumentException(
          "no model is configured: set "
              + SailfishConf.MODEL_PATH.key()
              + " to a GGUF file or a model folder, or "
              + SailfishConf.NAMED_PATH);
    }
    models.forEach(
        (name, path) -> {
          if (path.isBlank()) {
            throw new IllegalArgumentException("the path of the model " + name + " is empty");
          }
        });
    String chosen = conf.value(SailfishConf.MODEL_DEFAULT);
    if (!chosen.isBlank() && !models.containsKey(chosen)) {
      throw new IllegalArgumentException(
          SailfishConf.MODEL_DEFAULT.key()
              + " is '"
              + chosen
              + "', but the configured models are "
              + String.join(", ", models.keySet()));
    }
  }

  static Map<String, String> all(SparkConf conf) {
    Map<String, String> all = new HashMap<>();
    for (Tuple2<String, String> setting : conf.getAll()) {
      all.put(setting._1(), setting._2());
    }
    return all;
  }
}
