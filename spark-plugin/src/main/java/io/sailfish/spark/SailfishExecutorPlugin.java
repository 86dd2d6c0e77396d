package io.sailfish.spark;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.spark.conf.SailfishConf;
import io.sailfish.spark.exec.ExecutorRuntimes;
import io.sailfish.spark.exec.RuntimeFactory;
import io.sailfish.spark.source.ModelSource;
import java.util.Map;
import java.util.ServiceLoader;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;

/**
 * Owns the models of an executor process, the driver's in local mode. Nothing here throws: an
 * exception at start would end the executor, and the cluster manager would start the next one for
 * ever.
 */
final class SailfishExecutorPlugin implements ExecutorPlugin {
  private ExecutorRuntimes runtimes;

  @Override
  public void init(PluginContext context, Map<String, String> fromDriver) {
    SailfishConf conf = SailfishConf.of(SailfishDriverPlugin.all(context.conf()));
    BackendRequest backend =
        CardChoice.of(
            conf,
            context.conf().get("spark.master", "local"),
            context.resources(),
            fromDriver.get(SailfishDriverPlugin.CARD));
    runtimes =
        new ExecutorRuntimes(
            conf.models(),
            conf.runtimeConfig(backend, fromDriver.get(SailfishDriverPlugin.TEMPLATE_TIME)),
            ModelSource.of(context.conf()),
            factory(),
            new PluginHost(context));
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
}
