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
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
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

  /** Libraries of the systems that Spark clusters run on; nothing of the CUDA toolkit. */
  private static final Set<String> NATIVES =
      Set.of(
          "native/lib/linux-x86_64/cpu/libtokenizers.so",
          "native/lib/linux-aarch64/cpu/libtokenizers.so",
          "com/sun/jna/linux-x86-64/libjnidispatch.so",
          "com/sun/jna/linux-aarch64/libjnidispatch.so",
          "lib/libJCudaDriver-12.6.0-linux-x86_64.so");

  /** Of what is no device code, which depends on the compiler at hand. */
  private static final long MAX_BYTES = 14L << 20;

  @Test
  void holdsWhatSparkHasNot() throws IOException {
    try (ZipFile zip = new ZipFile(JAR.toFile())) {
      Set<String> names = zip.stream().map(ZipEntry::getName).collect(Collectors.toSet());
      assertTrue(names.contains("io/sailfish/kernels/Ops.class"));
      assertTrue(names.contains("META-INF/LICENSE") && names.contains("META-INF/NOTICE"));
      for (String foreign :
          List.of("org/apache/", "com/fasterxml/", "org/slf4j/", "com/google/", "scala/", "win-")) {
        assertTrue(names.stream().noneMatch(name -> name.contains(foreign)), foreign);
      }
    }
  }

  @Test
  void hasTheNativeLibrariesItUsesAndNoOther() throws IOException {
    try (ZipFile zip = new ZipFile(JAR.toFile())) {
      Pattern library = Pattern.compile(".*\\.(so(\\.\\d+)*|dll|dylib|jnilib|a|lib)");
      assertEquals(
          NATIVES,
          zip.stream()
              .map(ZipEntry::getName)
              .filter(name -> library.matcher(name).matches())
              .collect(Collectors.toSet()));
      long bytes =
          zip.stream()
              .filter(entry -> !entry.getName().startsWith("cuda/"))
              .mapToLong(ZipEntry::getCompressedSize)
              .sum();
      assertTrue(bytes < MAX_BYTES, bytes + " bytes");
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
