package io.sailfish.spark;

import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.SparkPlugin;

/** {@code spark.plugins=io.sailfish.spark.SailfishPlugin} is the set-up, with a model's path. */
public final class SailfishPlugin implements SparkPlugin {
  @Override
  public DriverPlugin driverPlugin() {
    return new SailfishDriverPlugin();
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new SailfishExecutorPlugin();
  }
}
