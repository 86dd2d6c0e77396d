package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;

/** The one jar, with a real (tiny) model, on a cluster that has Spark's jars and no other. */
class ShadedJarIT {
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
    try (ZipFile zip = new ZipFile(SparkOnly.JAR.toFile())) {
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
    try (ZipFile zip = new ZipFile(SparkOnly.JAR.toFile())) {
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
    Process process =
        SparkOnly.lay("spark-only", ShadedJarJob.class)
            .java(
                List.of(SparkOnly.JAR),
                List.of(
                    ShadedJarJob.class.getName(),
                    SparkOnly.JAR.toString(),
                    SparkOnly.model().toString()))
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("ANSWERS 20"), output);
  }
}
