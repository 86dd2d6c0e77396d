package io.sailfish.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * One run of one benchmark, as benchmarks/results keeps it. Files are only ever added; of a figure
 * measured twice the newest date counts.
 *
 * @param benchmark name of the program
 * @param date ISO date, with time when a day saw several runs
 * @param commit what was measured
 * @param machine in words
 * @param command how to repeat it
 * @param figures what benchmarks/figures.json lists
 * @param tables anything else worth reading; null or empty for none
 */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_NULL)
public record BenchmarkResult(
    String benchmark,
    String date,
    String commit,
    String machine,
    String command,
    List<Figure> figures,
    List<Table> tables) {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  /**
   * @param id as in benchmarks/figures.json
   * @param value the figure
   * @param runs the single measurements behind it, null if there was one
   */
  @JsonIgnoreProperties(ignoreUnknown = true)
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Figure(String id, double value, List<Double> runs) {}

  /** A table for docs/performance.md. The note explains it in a sentence or two. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Table(String title, String note, List<String> columns, List<List<String>> rows) {}

  /** Of a run that ends now, on this machine, of the commit that is checked out. */
  static BenchmarkResult here(
      String benchmark, String command, List<Figure> figures, List<Table> tables)
      throws IOException {
    return new BenchmarkResult(
        benchmark,
        RunFacts.date(),
        RunFacts.commit(),
        RunFacts.machine(),
        command,
        figures,
        tables);
  }

  public static BenchmarkResult read(Path file) {
    try {
      return JSON.readValue(file.toFile(), BenchmarkResult.class);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + " is no benchmark result: " + e.getMessage(), e);
    }
  }

  /** Writes {@code DATE-BENCHMARK-COMMIT.json} into the folder and returns its path. */
  public Path write(Path folder) throws IOException {
    Files.createDirectories(folder);
    String name = "%s-%s-%s.json".formatted(date, benchmark, commit).replace(':', '-');
    Path file = folder.resolve(name);
    Files.writeString(file, JSON.writeValueAsString(this) + "\n");
    return file;
  }
}
