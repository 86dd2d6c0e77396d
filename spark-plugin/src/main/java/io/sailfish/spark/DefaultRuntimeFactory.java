package io.sailfish.spark;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RuntimeConfig;
import java.nio.file.Path;

/** Loads real models. */
final class DefaultRuntimeFactory {
  private DefaultRuntimeFactory() {}

  static LlamaRuntime load(Path model, RuntimeConfig config) {
    return LlamaRuntimes.open(model, config);
  }
}
