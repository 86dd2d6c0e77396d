package io.sailfish.spark;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.spark.exec.RuntimeFactory;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/**
 * Files named {@code *.fake} are models of {@link FakeRuntime}, or real ones whose device is lost
 * ({@link FaultyModel}); all others are real.
 */
public final class FakeRuntimeFactory implements RuntimeFactory {
  @Override
  public LlamaRuntime load(Path model, RuntimeConfig config) {
    if (!model.getFileName().toString().endsWith(".fake")) {
      return DefaultRuntimeFactory.load(model, config);
    }
    Properties behaviour = new Properties();
    try (InputStream in = Files.newInputStream(model)) {
      behaviour.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    if (behaviour.containsKey("loadError")) {
      throw new IllegalArgumentException(behaviour.getProperty("loadError"));
    }
    return behaviour.containsKey("faulty")
        ? new FaultyModel(behaviour).load(config)
        : new FakeRuntime(behaviour, config);
  }

  /** Writes a model file; {@code behaviour} is {@code key=value} lines. */
  public static String model(Path folder, String name, String... behaviour) {
    try {
      Files.createDirectories(folder);
      return Files.write(folder.resolve(name + ".fake"), java.util.List.of(behaviour)).toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
