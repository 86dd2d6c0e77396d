package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PerformancePageTest {
  private static final Path REPOSITORY = Path.of("..");

  @Test
  void thePageIsThatOfTheResults() throws IOException {
    for (Map.Entry<String, String> file : PerformancePage.of(REPOSITORY).files().entrySet()) {
      Path path = REPOSITORY.resolve("docs").resolve(file.getKey());
      assertEquals(
          file.getValue(),
          Files.exists(path) ? Files.readString(path) : "",
          "docs/"
              + file.getKey()
              + " is older than the results: run benchmarks/performance-page.sh");
    }
  }

  private static final Target LOWER =
      new Target("a.us", "kernels", "lower", 40, 30, "us", "peer: 60", "a layer");
  private static final Target HIGHER =
      new Target("b.share", "kernels", "higher", 0.9, 1, "share", null, "another");

  private static BenchmarkResult result(String date, String id, double value) {
    return new BenchmarkResult(
        "bench",
        date,
        "abc",
        "a card",
        "run it",
        List.of(new BenchmarkResult.Figure(id, value, null)),
        List.of(new BenchmarkResult.Table("T", "why", List.of("c|d"), List.of(List.of("1")))));
  }

  @Test
  void theNewestRunCountsAndShortFiguresAreNamed() {
    PerformancePage page =
        new PerformancePage(
            List.of(LOWER, HIGHER),
            List.of(
                result("2026-11-21", "a.us", 41.5),
                result("2026-11-20", "a.us", 20),
                result("2026-11-20", "unknown", 1)));
    String text = page.files().get("performance.md");
    assertTrue(text.contains("| `a.us` | 41.50 us | ≤ 40 | 30 | **short** | peer: 60 |"), text);
    assertTrue(text.contains("| `b.share` |  | ≥ 0.9000 | 1 | not measured |"), text);
    assertTrue(text.contains("| c\\|d |"), text);
    assertEquals(
        List.of("2026-11-21, commit abc, a card.", "2026-11-20, commit abc, a card."),
        text.lines().filter(line -> line.contains(", commit ")).toList(),
        "the newest run, and the one that a figure comes from, without the one that no longer counts");
    String plot = page.files().get("performance-kernels.svg");
    assertTrue(plot.contains("a.us") && !plot.contains("b.share"), plot);
  }

  @Test
  void verdictsAndNumbers() {
    assertEquals("goal", LOWER.verdict(30));
    assertEquals("ok", LOWER.verdict(40));
    assertEquals("**short**", HIGHER.verdict(0.89));
    assertEquals("1,234,567", PerformancePage.number(1234567));
    assertEquals("0.9800", PerformancePage.number(0.98));
    assertEquals("2.10e-04", PerformancePage.number(2.1e-4));
    assertEquals("123.5", PerformancePage.number(123.456));
  }

  @Test
  void everyMeasuredFigureIsKnown() throws IOException {
    List<String> known =
        Target.read(REPOSITORY.resolve("benchmarks/figures.json")).stream()
            .map(Target::id)
            .toList();
    try (var files = Files.walk(REPOSITORY.resolve("benchmarks/results"))) {
      files
          .filter(file -> file.toString().endsWith(".json"))
          .forEach(
              file -> {
                List<BenchmarkResult.Figure> figures = BenchmarkResult.read(file).figures();
                for (BenchmarkResult.Figure figure :
                    figures == null ? List.<BenchmarkResult.Figure>of() : figures) {
                  assertTrue(known.contains(figure.id()), file + ": unknown " + figure.id());
                }
              });
    }
  }
}
