package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class KernelSpecTest {
  private static final Path PTX = Path.of("target", "cuda-ptx");
  private static final Pattern ENTRY =
      Pattern.compile("\\.visible \\.entry (\\w+)\\(([^)]*)\\)", Pattern.DOTALL);
  private static final Pattern PARAMETER =
      Pattern.compile("\\.param\\s+(?:\\.align \\d+ )?\\.(\\w+)");

  private static final KernelSpec SCALE =
      KernelSpec.kernel("m", "scale").out("y").in("x").i32("rows").i64("stride").f32("eps").build();

  /** {@code module/entry} to its parameter types, for every entry that nvcc made. */
  private static Map<String, List<String>> builtEntries() throws IOException {
    Map<String, List<String>> entries = new TreeMap<>();
    try (Stream<Path> files = Files.list(PTX)) {
      for (Path file : files.toList()) {
        String module = file.getFileName().toString().replace(".ptx", "");
        parse(Files.readString(file)).forEach((k, v) -> entries.put(module + "/" + k, v));
      }
    }
    return entries;
  }

  private static Map<String, List<String>> parse(String ptx) {
    Map<String, List<String>> entries = new TreeMap<>();
    Matcher entry = ENTRY.matcher(ptx);
    while (entry.find()) {
      entries.put(
          entry.group(1),
          PARAMETER.matcher(entry.group(2)).results().map(m -> m.group(1)).toList());
    }
    return entries;
  }

  @Test
  void everyEntryHasATwinWithTheSameParameters() throws IOException {
    assumeTrue(Files.isDirectory(PTX), "no device code in this build: build with nvcc");
    Map<String, List<String>> described = new TreeMap<>();
    for (KernelSpec spec : KernelCatalog.all()) {
      described.put(
          spec.module() + "/" + spec.entry(),
          spec.parameters().stream().map(p -> p.type().ptx()).toList());
    }
    Map<String, List<String>> built = builtEntries();
    for (Map.Entry<String, List<String>> entry : built.entrySet()) {
      assertEquals(described.get(entry.getKey()), entry.getValue(), entry.getKey());
    }
    assertEquals(built.keySet(), described.keySet());
  }

  @Test
  void everyModuleIsInTheJar() throws IOException {
    assumeTrue(Files.isDirectory(PTX), "no device code in this build: build with nvcc");
    for (KernelSpec spec : KernelCatalog.all()) {
      assertTrue(CudaModules.isBuilt(spec.module()), spec.module());
    }
  }

  @Test
  void readsSignatures() {
    Map<String, List<String>> entries =
        parse(
            """
            .visible .entry scale(
            	.param .u64 .ptr .align 1 scale_param_0,
            	.param .u64 scale_param_1,
            	.param .u32 scale_param_2
            )
            .maxntid 128
            {
            .visible .entry bulk(
            	.param .align 8 .b8 bulk_param_0[72]
            )
            """);
    assertEquals(List.of("u64", "u64", "u32"), entries.get("scale"));
    assertEquals(List.of("b8"), entries.get("bulk"));
  }

  @Test
  void refusesArgumentsThatDoNotFit() {
    SCALE.check(new Object[] {1L, 2L, 3, 4L, 5f});
    assertRefused("takes 5 arguments, got 1", 1L);
    assertRefused("argument 2 (rows) is I32, got Long", 1L, 2L, 3L, 4L, 5f);
    assertRefused("argument 4 (eps) is F32, got Double", 1L, 2L, 3, 4L, 5.0);
    assertRefused("argument 0 (y) is POINTER, got null", null, 2L, 3, 4L, 5f);
  }

  private static void assertRefused(String message, Object... arguments) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> SCALE.check(arguments));
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void refusesImpossibleLaunches() {
    assertThrows(IllegalArgumentException.class, () -> LaunchGeometry.of(0, 128));
    assertThrows(IllegalArgumentException.class, () -> LaunchGeometry.of(1, 1025));
    assertThrows(IllegalArgumentException.class, () -> LaunchGeometry.of(10, 128).withCluster(4));
    assertEquals(4, LaunchGeometry.of(12, 128).withCluster(4).overlapping().cluster());
  }
}
