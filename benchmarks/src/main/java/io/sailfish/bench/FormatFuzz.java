package io.sailfish.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Opens damaged models by the million; see {@link DamagedModels} for what must hold. Progress is
 * kept in a file, so that a run goes on where the last one stopped.
 *
 * <pre>FormatFuzz GOLDEN_FOLDER FILES SEED PROGRESS.json RESULTS_FOLDER</pre>
 */
public final class FormatFuzz {
  private static final int STEP = 2000;
  private static final int MAX_KEPT = 100;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What a run has done so far; seed and index make each file again. */
  record Progress(long seed, long next, long refused, long failures, List<String> kept) {}

  private FormatFuzz() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 5) {
      throw new IllegalArgumentException(
          "FormatFuzz GOLDEN_FOLDER FILES SEED PROGRESS.json RESULTS_FOLDER");
    }
    long files = Long.parseLong(args[1]);
    Path file = Path.of(args[3]);
    Path work = Files.createTempDirectory("fuzz");
    DamagedModels models = new DamagedModels(Path.of(args[0]), work);
    Progress progress = start(file, Long.parseLong(args[2]));
    while (progress.next() < files) {
      progress = run(models, progress, Math.min(files, progress.next() + STEP));
      save(file, progress);
    }
    System.out.printf(
        "%d files over %d models: %d refused, %d failures%n",
        progress.next(), models.numModels(), progress.refused(), progress.failures());
    System.out.println(result(progress, models.numModels()).write(Path.of(args[4])));
  }

  private static Progress start(Path file, long seed) throws IOException {
    Progress none = new Progress(seed, 0, 0, 0, List.of());
    Progress kept = Files.exists(file) ? JSON.readValue(file.toFile(), Progress.class) : none;
    return kept.seed() == seed ? kept : none;
  }

  private static void save(Path file, Progress progress) throws IOException {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    JSON.writeValue(part.toFile(), progress);
    Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  static Progress run(DamagedModels models, Progress from, long end) throws IOException {
    long refused = from.refused();
    long failures = from.failures();
    List<String> kept = new ArrayList<>(from.kept());
    for (long i = from.next(); i < end; i++) {
      DamagedModels.Outcome outcome = models.check(from.seed(), i);
      refused += outcome.refused() ? 1 : 0;
      if (outcome.failure() != null) {
        failures++;
        if (kept.size() < MAX_KEPT) {
          kept.add(outcome.failure());
        }
      }
    }
    return new Progress(from.seed(), end, refused, failures, kept);
  }

  private static BenchmarkResult result(Progress progress, int models) throws IOException {
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "Damaged model files",
            ("One file of one of %d tiny models damaged at one to three places, then opened and the"
                    + " end of every tensor read. A failure: another exception than the one that"
                    + " names the file, more than a second, or more memory than the undamaged model"
                    + " took plus twice its size. Seed %d.")
                .formatted(models, progress.seed()),
            List.of("files", "refused", "read", "failures"),
            List.of(
                List.of(
                    "" + progress.next(),
                    "" + progress.refused(),
                    "" + (progress.next() - progress.refused() - progress.failures()),
                    "" + progress.failures())));
    return new BenchmarkResult(
        "format-fuzz",
        RunFacts.date(),
        RunFacts.commit(),
        RunFacts.machine(),
        "benchmarks/run.sh FormatFuzz llama-runtime/src/test/resources/golden %d %d PROGRESS.json benchmarks/results"
            .formatted(progress.next(), progress.seed()),
        List.of(
            new BenchmarkResult.Figure("fuzz.files.count", (double) progress.next(), null),
            new BenchmarkResult.Figure("fuzz.files.failures", (double) progress.failures(), null)),
        List.of(table));
  }
}
