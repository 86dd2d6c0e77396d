package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.bench.BenchmarkResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.TimeZone;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What programs on a card share and no card is needed for. */
final class CardProgramTest {
  @TempDir Path folder;

  @Test
  void leavesAFileThatSaysHowToRepeatIt() throws IOException {
    String[] line = {"--rows", "3,4", "--commit", "abc", "--quick", "--results", folder.toString()};
    List<BenchmarkResult.Figure> figures = List.of(new BenchmarkResult.Figure("a.b", 2.5, null));
    program(line).write("a card", figures, null);

    Path file = onlyFile();
    BenchmarkResult result = BenchmarkResult.read(file);
    assertEquals("card-program", result.benchmark());
    assertEquals("abc", result.commit());
    assertEquals("a card", result.machine());
    assertEquals(
        "benchmarks/gpu/run.sh RESULTS program KernelBench --rows 3,4 --quick", result.command());
    assertEquals(figures, result.figures());
    String date = result.date().replace(':', '-');
    assertEquals(date + "-card-program-abc.json", file.getFileName().toString());
  }

  /** The newest date counts, whatever machines the runs were on. */
  @Test
  void theDateIsThatOfAllResults() throws IOException {
    TimeZone here = TimeZone.getDefault();
    try {
      TimeZone.setDefault(TimeZone.getTimeZone("GMT+11"));
      LocalDateTime before = LocalDateTime.now(ZoneOffset.UTC).minusSeconds(1);
      program("--results", folder.toString()).write("a card", List.of(), null);
      LocalDateTime date = LocalDateTime.parse(BenchmarkResult.read(onlyFile()).date());
      assertTrue(!date.isBefore(before), date + " is before " + before);
      assertTrue(date.isBefore(before.plusMinutes(5)), date + " is long after " + before);
    } finally {
      TimeZone.setDefault(here);
    }
  }

  private static CardProgram program(String... line) {
    return new CardProgram(KernelBench.class, "card-program", new Options(line));
  }

  private Path onlyFile() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> all = files.toList();
      assertEquals(1, all.size());
      return all.get(0);
    }
  }
}
