package io.sailfish.spark;

import io.sailfish.llama.RuntimeInfo;
import io.sailfish.spark.conf.SailfishConf;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What executors told the driver of the models they loaded, for EXPLAIN. Static because plan nodes
 * have no way to the plugin; the application's end empties it.
 */
public final class LoadedModels {
  private static final Map<String, RuntimeInfo> BY_NAME = new ConcurrentHashMap<>();

  private LoadedModels() {}

  static void add(String model, RuntimeInfo info) {
    BY_NAME.put(model, info);
  }

  static void clear() {
    BY_NAME.clear();
  }

  /** One line: name, model, weight format, backend, batch cap. */
  public static String describe(String model, SailfishConf conf) {
    RuntimeInfo info = BY_NAME.get(model);
    if (info != null) {
      return "%s: %s, %s, %s, batch cap %d (%s)"
          .formatted(
              model,
              info.model(),
              info.format(),
              info.backend(),
              info.batchCap(),
              info.batchCapReason());
    }
    int cap = conf.value(SailfishConf.BATCH_CAP);
    return "%s: %s, not loaded yet, backend %s, %s"
        .formatted(
            model,
            conf.models().get(model),
            conf.value(SailfishConf.BACKEND),
            cap == 0 ? "batch cap measured at load" : "batch cap " + cap);
  }
}
