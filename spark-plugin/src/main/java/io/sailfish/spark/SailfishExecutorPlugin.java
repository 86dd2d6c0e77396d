package io.sailfish.spark;

import io.sailfish.spark.SailfishDriverPlugin.ModelLoaded;
import io.sailfish.spark.conf.SailfishConf;
import io.sailfish.spark.exec.ExecutorExit;
import io.sailfish.spark.exec.ExecutorRuntimes;
import io.sailfish.spark.exec.RuntimeFactory;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.Map;
import java.util.ServiceLoader;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext$;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Owns the models of an executor process, the driver's in local mode. Nothing here throws: an
 * exception at start would end the executor, and the cluster manager would start the next one for
 * ever.
 */
final class SailfishExecutorPlugin implements ExecutorPlugin {
  private static final Logger LOG = LoggerFactory.getLogger(SailfishExecutorPlugin.class);

  /** Exit status of an executor whose engine is unusable. */
  private static final int UNUSABLE = 87;

  /** Time for the failed task's report to reach the driver. */
  private static final long REPORT_MILLIS = 1000;

  private ExecutorRuntimes runtimes;

  @Override
  public void init(PluginContext context, Map<String, String> fromDriver) {
    SailfishConf conf = SailfishConf.of(SailfishDriverPlugin.all(context.conf()));
    runtimes =
        new ExecutorRuntimes(
            conf.models(),
            conf.runtimeConfig(fromDriver.get(SailfishDriverPlugin.TEMPLATE_TIME)),
            new ModelSource(hadoop(context.conf()), cacheFolder(conf)),
            factory(),
            (model, info) -> report(context, new ModelLoaded(model, info)),
            exit(context.executorID()));
    runtimes.install();
    String model = conf.defaultModel();
    if (conf.value(SailfishConf.PRELOAD) && !model.isEmpty()) {
      runtimes.runtime(model);
    }
  }

  @Override
  public void shutdown() {
    runtimes.close();
  }

  private static RuntimeFactory factory() {
    return ServiceLoader.load(RuntimeFactory.class, SailfishExecutorPlugin.class.getClassLoader())
        .findFirst()
        .orElseGet(() -> DefaultRuntimeFactory::load);
  }

  private static Configuration hadoop(SparkConf conf) {
    return SparkHadoopUtil.get().newConfiguration(conf);
  }

  private static Path cacheFolder(SailfishConf conf) {
    String folder = conf.value(SailfishConf.CACHE_DIR);
    return folder.isBlank()
        ? Path.of(
            System.getProperty("java.io.tmpdir"), "sailfish-" + System.getProperty("user.name"))
        : Path.of(folder);
  }

  /** EXPLAIN is the poorer without this report, and nothing else. */
  private static void report(PluginContext context, ModelLoaded loaded) {
    try {
      context.ask(loaded);
    } catch (Exception e) {
      LOG.warn("The driver could not be told of the model {}", loaded.model(), e);
    }
  }

  private static ExecutorExit exit(String executorId) {
    if (executorId.equals(SparkContext$.MODULE$.DRIVER_IDENTIFIER())) {
      return reason ->
          LOG.error("{}; in local mode the application has to be started again", reason);
    }
    return reason -> {
      LOG.error("Executor {} exits, to be replaced: {}", executorId, reason);
      Thread exit =
          new Thread(
              () -> {
                try {
                  Thread.sleep(REPORT_MILLIS);
                } catch (InterruptedException e) {
                  LOG.warn("Interrupted before the exit; exiting now", e);
                }
                // halt, as an unusable device can hang its library's shutdown hooks
                Runtime.getRuntime().halt(UNUSABLE);
              },
              "sailfish-exit");
      exit.setDaemon(true);
      exit.start();
    };
  }
}
