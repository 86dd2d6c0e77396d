package io.sailfish.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Who may import whom: kernels, arrow-bridge, llama-runtime, spark-plugin, examples, in order. */
class ImportRulesTest {
  /** Each module's own package; a module sees itself and those before it. */
  private static final List<Map.Entry<String, String>> MODULES =
      List.of(
          Map.entry("kernels", "io.sailfish.kernels"),
          Map.entry("arrow-bridge", "io.sailfish.arrow"),
          Map.entry("llama-runtime", "io.sailfish.llama"),
          Map.entry("spark-plugin", "io.sailfish.spark"),
          Map.entry("cli", "io.sailfish.cli"),
          Map.entry("examples", "io.sailfish.examples"),
          Map.entry("benchmarks", "io.sailfish.bench"));

  private static final Set<String> SPARK = Set.of("spark-plugin", "cli", "examples", "benchmarks");
  private static final Pattern IMPORT =
      Pattern.compile("^import\\s+(?:static\\s+)?([\\w.]+)", Pattern.MULTILINE);

  /** What is wrong with a source file's imports. */
  static List<String> violations(String module, String path, String source) {
    List<String> wrong = new ArrayList<>();
    Matcher imports = IMPORT.matcher(source);
    while (imports.find()) {
      String name = imports.group(1);
      String reason = violation(module, path, name);
      if (reason != null) {
        wrong.add("%s imports %s: %s".formatted(path, name, reason));
      }
    }
    return wrong;
  }

  private static String violation(String module, String path, String name) {
    if (name.startsWith("org.apache.spark.") && !SPARK.contains(module)) {
      return "Spark only in " + SPARK;
    }
    if (name.startsWith("org.apache.arrow.") && module.equals("kernels")) {
      return "Arrow only in arrow-bridge and above";
    }
    if (name.startsWith("jcuda.") && !path.contains("/io/sailfish/kernels/cuda/")) {
      return "JCuda only in io.sailfish.kernels.cuda";
    }
    int own = position(module);
    for (int i = own + 1; i < MODULES.size(); i++) {
      if (name.startsWith(MODULES.get(i).getValue() + ".")) {
        return module + " stands below " + MODULES.get(i).getKey();
      }
    }
    return null;
  }

  private static int position(String module) {
    for (int i = 0; i < MODULES.size(); i++) {
      if (MODULES.get(i).getKey().equals(module)) {
        return i;
      }
    }
    throw new IllegalArgumentException("module " + module + " has no place in the order yet");
  }

  @Test
  void sourcesKeepTheOrder() throws IOException {
    Path root = Path.of("..").toRealPath();
    List<String> wrong = new ArrayList<>();
    int files = 0;
    for (Map.Entry<String, String> module : MODULES) {
      Path sources = root.resolve(module.getKey()).resolve("src");
      if (!Files.isDirectory(sources)) {
        continue;
      }
      try (Stream<Path> paths = Files.walk(sources)) {
        for (Path path : paths.filter(p -> p.toString().endsWith(".java")).toList()) {
          files++;
          wrong.addAll(violations(module.getKey(), path.toString(), read(path)));
        }
      }
    }
    assertTrue(files > 40, "looked at " + files + " files below " + root);
    assertEquals(List.of(), wrong);
  }

  @Test
  void everyModuleOfTheBuildHasItsPlace() throws IOException {
    Matcher modules =
        Pattern.compile("<module>([\\w-]+)</module>").matcher(read(Path.of("../pom.xml")));
    int found = 0;
    while (modules.find()) {
      position(modules.group(1));
      found++;
    }
    assertEquals(MODULES.size(), found);
  }

  private static String read(Path path) {
    try {
      return Files.readString(path);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void rulesCatchViolations() {
    assertViolation("kernels", "a/X.java", "import io.sailfish.arrow.Utf8Column;");
    assertViolation("arrow-bridge", "a/X.java", "import io.sailfish.llama.RowTask;");
    assertViolation("llama-runtime", "a/X.java", "import static io.sailfish.spark.X.y;");
    assertViolation("spark-plugin", "a/X.java", "import io.sailfish.examples.QuickStart;");
    assertViolation("llama-runtime", "a/X.java", "import org.apache.spark.sql.Row;");
    assertViolation("kernels", "a/X.java", "import org.apache.arrow.vector.IntVector;");
    assertViolation("kernels", "a/io/sailfish/kernels/cpu/X.java", "import jcuda.Pointer;");
  }

  private static void assertViolation(String module, String path, String line) {
    String source = "package p;\n\nimport java.util.List;\n" + line + "\nclass X {}\n";
    assertEquals(1, violations(module, path, source).size(), line);
  }

  @Test
  void rulesLetTheRestPass() {
    String cuda = "kernels/src/main/java/io/sailfish/kernels/cuda/X.java";
    assertEquals(List.of(), violations("kernels", cuda, "import jcuda.Pointer;\n"));
    String all =
        "import io.sailfish.kernels.Ops;\nimport org.apache.spark.sql.Row;\n"
            + "import org.apache.arrow.vector.IntVector;\nimport io.sailfish.llama.RowTask;\n";
    assertEquals(List.of(), violations("spark-plugin", "x/X.java", all));
    assertEquals(List.of(), violations("kernels", "x/X.java", "// import jcuda.Pointer;\n"));
  }
}
