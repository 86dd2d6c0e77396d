package io.sailfish.spark.exec;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RuntimeConfig;
import java.nio.file.Path;

/**
 * Loads a model. Tests put another one on the class path as a {@link java.util.ServiceLoader}
 * service.
 */
public interface RuntimeFactory {
  /**
   * @param model local file or folder
   * @throws RuntimeException if the model cannot be loaded; the message is for the user
   */
  LlamaRuntime load(Path model, RuntimeConfig config);
}
