package io.sailfish.spark;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A folder as a Spark distribution lays it out: Spark's jars and none of ours. */
final class SparkOnly {
  /** The plugin's one jar, as Maven packaged it. */
  static final Path JAR = Path.of(System.getProperty("sailfish.jar"));

  /** The module's target folder. Not relative: the shade plugin moves Maven's base folder there. */
  static final Path TARGET = JAR.toAbsolutePath().getParent();

  /** Projects of which Spark has no jar; all of them belong into ours. */
  private static final List<String> NOT_SPARKS =
      List.of("io/sailfish", "ai/djl", "net/java/dev/jna", "org/jcuda");

  private final Path home;

  private SparkOnly(Path home) {
    this.home = home;
  }

  /** Lays the folder out in {@code target/name}, with one class of the tests beside the jars. */
  static SparkOnly lay(String name, Class<?> job) throws IOException {
    Path home = TARGET.resolve(name);
    Path jars = Files.createDirectories(home.resolve("jars"));
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    for (String entry : classPath.split(File.pathSeparator)) {
      Path link = jars.resolve(Path.of(entry).getFileName());
      boolean sparks = entry.endsWith(".jar") && NOT_SPARKS.stream().noneMatch(entry::contains);
      if (sparks && !link.getFileName().toString().startsWith("sailfish") && !Files.exists(link)) {
        Files.createSymbolicLink(link, Path.of(entry));
      }
    }
    String file = job.getName().replace('.', '/') + ".class";
    Path copy = home.resolve("classes").resolve(file);
    Files.createDirectories(copy.getParent());
    Files.copy(
        TARGET.resolve("test-classes").resolve(file), copy, StandardCopyOption.REPLACE_EXISTING);
    return new SparkOnly(home);
  }

  /** A tiny model whose answers cost nothing. */
  static Path model() throws IOException {
    return TARGET.resolve("../../llama-runtime/src/test/resources/golden/plain.gguf").toRealPath();
  }

  /**
   * A program of its own process: {@code first} and then Spark's jars and the job's class on its
   * class path.
   */
  ProcessBuilder java(Collection<Path> first, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(System.getProperty("sailfish.jvmOptions").split(" ")));
    command.add("-Xmx512m");
    command.add("-cp");
    command.add(
        Stream.concat(
                first.stream().map(Path::toString), Stream.of(home + "/jars/*", home + "/classes"))
            .collect(Collectors.joining(File.pathSeparator)));
    command.addAll(arguments);
    ProcessBuilder program = new ProcessBuilder(command).redirectErrorStream(true);
    program.environment().put("SPARK_HOME", home.toString());
    program.environment().put("SPARK_SCALA_VERSION", "2.13");
    program.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    return program;
  }
}
