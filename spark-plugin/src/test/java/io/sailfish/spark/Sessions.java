package io.sailfish.spark;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.sql.SparkSession;

/** Spark sessions for tests; one at a time in a JVM. */
public final class Sessions {
  public static final Path FOLDER = Path.of("target", "spark-test").toAbsolutePath();

  /** A real model: random weights, context of 256 tokens. */
  public static final Path TINY_LLAMA =
      Path.of("..", "llama-runtime", "src", "test", "resources", "golden", "plain.gguf")
          .toAbsolutePath()
          .normalize();

  private Sessions() {}

  /** Settings that all test sessions share. */
  public static SparkSession.Builder builder() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("test")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", FOLDER.resolve("warehouse").toString())
        .config("spark.plugins", SailfishPlugin.class.getName());
  }

  /** With a fake model under the name {@code default} and another named {@code second}. */
  public static SparkSession fake() {
    return builder()
        .config(
            "spark.sailfish.model.path", FakeRuntimeFactory.model(FOLDER.resolve("m"), "default"))
        .config(
            "spark.sailfish.models.second.path",
            FakeRuntimeFactory.model(FOLDER.resolve("m"), "second", "delayMs=30"))
        .getOrCreate();
  }

  public static void stop(SparkSession session) {
    session.stop();
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
  }

  /** A session that takes nothing over the wire but what our registrator names. */
  public static SparkSession.Builder strictKryo(String master, String name) {
    return SparkSession.builder()
        .master(master)
        .appName(name)
        .config("spark.ui.enabled", "false")
        .config("spark.serializer", KryoSerializer.class.getName())
        .config("spark.kryo.registrationRequired", "true")
        .config("spark.kryo.registrator", SailfishKryoRegistrator.class.getName());
  }

  /** The folder that a distribution of Spark has; returns the class path of this process. */
  public static String layOutSpark() throws IOException {
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    Path jars = Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars"));
    for (String entry : classPath.split(File.pathSeparator)) {
      Path link = jars.resolve(Path.of(entry).getFileName());
      if (entry.endsWith(".jar") && !Files.exists(link)) {
        Files.createSymbolicLink(link, Path.of(entry));
      }
    }
    return classPath;
  }
}
