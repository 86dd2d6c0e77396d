package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;

/** The one jar, with a real (tiny) model, on a cluster that has Spark's jars and no other. */
class ShadedJarIT {
  private static final Path JAR = Path.of(System.getProperty("sailfish.jar"));

  /** The module's target folder. Not relative: the shade plugin moves Maven's base folder there. */
  private static final Path TARGET = JAR.toAbsolutePath().getParent();

  /** Projects of which Spark has no jar; all of them belong into ours. */
  private static final List<String> NOT_SPARKS =
      List.of("io/sailfish", "ai/djl", "net/java/dev/jna", "org/jcuda");

  @Test
  void holdsWhatSparkHasNot() throws IOException {
    try (ZipFile zip = new ZipFile(JAR.toFile())) {
      Set<String> names = zip.stream().map(entry -> entry.getName()).collect(Collectors.toSet());
      assertTrue(names.contains("native/lib/linux-x86_64/cpu/libtokenizers.so"));
      assertTrue(names.contains("io/sailfish/kernels/Ops.class"));
      assertTrue(names.contains("META-INF/services/ai.djl.engine.EngineProvider"));
      for (String foreign :
          List.of("org/apache/", "com/fasterxml/", "org/slf4j/", "com/google/", "scala/", "win-")) {
        assertTrue(names.stream().noneMatch(name -> name.contains(foreign)), foreign);
      }
      assertTrue(names.stream().noneMatch(name -> name.endsWith(".dll") || name.endsWith("lib")));
    }
  }

  @Test
  void isAllThatAClusterNeeds() throws Exception {
    Path home = TARGET.resolve("spark-only");
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
    String job = ShadedJarJob.class.getName().replace('.', '/') + ".class";
    Path classes = home.resolve("classes");
    Files.createDirectories(classes.resolve(job).getParent());
    Files.copy(
        TARGET.resolve("test-classes").resolve(job),
        classes.resolve(job),
        StandardCopyOption.REPLACE_EXISTING);

    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(System.getProperty("sailfish.jvmOptions").split(" ")));
    command.addAll(
        List.of(
            "-Xmx512m",
            "-cp",
            jars + "/*" + File.pathSeparator + JAR + File.pathSeparator + classes,
            ShadedJarJob.class.getName(),
            JAR.toString(),
            TARGET
                .resolve("../../llama-runtime/src/test/resources/golden/plain.gguf")
                .toRealPath()
                .toString()));
    ProcessBuilder driver = new ProcessBuilder(command).redirectErrorStream(true);
    driver.environment().put("SPARK_HOME", home.toString());
    driver.environment().put("SPARK_SCALA_VERSION", "2.13");
    driver.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    Process process = driver.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("ANSWERS 20"), output);
  }
}
