package io.sailfish.spark;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.spark.conf.SailfishConf;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which device an executor runs its models on. On a cluster Spark shares out the GPUs, as resource
 * {@code gpu}: an executor takes the address that it was given, and one that was given none runs on
 * the CPU (auto) or not at all (cuda), since two executors of a host would else take the same card.
 * In local mode there is one process: it takes the driver's address if Spark was asked for one,
 * else the first card.
 */
public final class CardChoice {
  static final String RESOURCE = "gpu";

  private static final Logger LOG = LoggerFactory.getLogger(CardChoice.class);
  private static final String EXECUTOR_AMOUNT = "spark.executor.resource.gpu.amount";
  private static final String EXECUTOR_SCRIPT = "spark.executor.resource.gpu.discoveryScript";
  private static final String TASK_AMOUNT = "spark.task.resource.gpu.amount";

  private CardChoice() {}

  /** Whether driver and executor are one process. */
  static boolean isLocal(String master) {
    return master.startsWith("local") && !master.startsWith("local-cluster");
  }

  /**
   * Refuses settings with which executors could not have a card each, with the lines to add.
   *
   * @param settings all of the application's
   */
  static void check(SailfishConf conf, Map<String, String> settings) {
    String backend = conf.value(SailfishConf.BACKEND);
    String master = settings.getOrDefault("spark.master", "local");
    if (isLocal(master) || backend.equals("cpu")) {
      return;
    }
    String amount = settings.get(EXECUTOR_AMOUNT);
    if (amount == null && backend.equals("cuda")) {
      throw new IllegalArgumentException(
          SailfishConf.BACKEND.key()
              + "=cuda, but Spark is not told that executors need a GPU. Add\n"
              + linesToAdd(master, settings));
    }
    if (amount == null) {
      LOG.info(
          "{}=auto and Spark gives executors no GPU: models run on the CPU. For GPUs add\n{}",
          SailfishConf.BACKEND.key(),
          linesToAdd(master, settings));
      return;
    }
    String task = settings.getOrDefault(TASK_AMOUNT, "1");
    if (Double.parseDouble(task) * 2 > Double.parseDouble(amount)) {
      LOG.warn(
          "{}={}: an executor runs one task at a time, although all its tasks share the GPU; {}",
          TASK_AMOUNT,
          task,
          TASK_AMOUNT + "=" + taskShare(settings) + " lets it run as many as it has cores");
    }
  }

  private static String linesToAdd(String master, Map<String, String> settings) {
    StringBuilder lines = new StringBuilder();
    line(lines, EXECUTOR_AMOUNT, "1");
    line(lines, TASK_AMOUNT, taskShare(settings));
    if (master.startsWith("k8s")) {
      line(lines, "spark.executor.resource.gpu.vendor", "nvidia.com");
    }
    if (master.startsWith("spark:") || master.startsWith("local-cluster")) {
      lines.append(
          "  and to each worker: -Dspark.worker.resource.gpu.amount=<its GPUs>"
              + " -Dspark.worker.resource.gpu.discoveryScript=<path of bin/gpu-addresses>");
    } else {
      line(lines, EXECUTOR_SCRIPT, "<path of bin/gpu-addresses on the executors' hosts>");
    }
    return lines.toString().stripTrailing();
  }

  private static void line(StringBuilder lines, String key, String value) {
    lines.append("  --conf ").append(key).append('=').append(value).append('\n');
  }

  /** So that an executor's tasks together ask for its one GPU. */
  private static String taskShare(Map<String, String> settings) {
    String cores = settings.getOrDefault("spark.executor.cores", "16");
    return String.format(Locale.ROOT, "%.4f", Math.floor(1e4 / Integer.parseInt(cores)) / 1e4);
  }

  /**
   * What an executor opens.
   *
   * @param resources of the executor, by name
   * @param fromDriver address that a local driver was given, or null
   */
  static BackendRequest of(
      SailfishConf conf,
      String master,
      Map<String, ResourceInformation> resources,
      String fromDriver) {
    String backend = conf.value(SailfishConf.BACKEND);
    ResourceInformation given = resources.get(RESOURCE);
    if (given != null && given.addresses().length > 0) {
      String[] addresses = given.addresses();
      if (addresses.length > 1) {
        LOG.warn(
            "Spark gave this executor {} GPUs; a model runs on one of them, {}. Use {}=1",
            addresses.length,
            addresses[0],
            EXECUTOR_AMOUNT);
      }
      return conf.backend(backend, addresses[0]);
    }
    if (isLocal(master)) {
      return conf.backend(backend, fromDriver);
    }
    return conf.backend(backend.equals("auto") ? "cpu" : backend, null);
  }

  /**
   * What the running task opens where there is no plugin: on the card that Spark gave it.
   *
   * @param backend {@code auto}, {@code cpu} or {@code cuda}; null = spark.sailfish.backend
   */
  public static BackendRequest ofTask(String backend) {
    SparkConf spark = SparkEnv.get().conf();
    Map<String, String> settings = SailfishDriverPlugin.all(spark);
    if (backend != null) {
      settings.put(SailfishConf.BACKEND.key(), backend);
    }
    return of(
        SailfishConf.of(settings),
        spark.get("spark.master", "local"),
        TaskContext.get().resourcesJMap(),
        null);
  }
}
