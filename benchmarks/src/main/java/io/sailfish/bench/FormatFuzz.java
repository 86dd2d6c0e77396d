package io.sailfish.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Opens damaged models by the million; see {@link DamagedModels} for what must hold. Progress is
 * kept in a file, so that a run goes on where the last one stopped. Damaged copies lie in the JVM's
 * temporary folder, best one in memory.
 *
 * <pre>FormatFuzz GOLDEN_FOLDER FILES SEED THREADS PROGRESS.json RESULTS_FOLDER</pre>
 */
public final class FormatFuzz {
  private static final int STEP = 2000;
  private static final int MAX_KEPT = 100;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What a run has done so far; seed and index make each file again. */
  record Progress(long seed, long next, long refused, long failures, List<String> kept) {}

  private FormatFuzz() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 6) {
      throw new IllegalArgumentException(
          "FormatFuzz GOLDEN_FOLDER FILES SEED THREADS PROGRESS.json RESULTS_FOLDER");
    }
    long files = Long.parseLong(args[1]);
    Path file = Path.of(args[4]);
    List<DamagedModels> models = new ArrayList<>();
    for (int i = 0; i < Integer.parseInt(args[3]); i++) {
      models.add(new DamagedModels(Path.of(args[0]), Files.createTempDirectory("fuzz")));
    }
    Progress progress = start(file, Long.parseLong(args[2]));
    while (progress.next() < files) {
      progress = run(models, progress, Math.min(files, progress.next() + STEP));
      save(file, progress);
    }
    int numModels = models.get(0).numModels();
    System.out.printf(
        "%d files over %d models: %d refused, %d failures%n",
        progress.next(), numModels, progress.refused(), progress.failures());
    System.out.println(result(progress, numModels).write(Path.of(args[5])));
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

  /** Goes on to {@code end}, each of the models on a thread of its own. */
  static Progress run(List<DamagedModels> models, Progress from, long end) {
    List<CompletableFuture<Progress>> parts = new ArrayList<>();
    for (int i = 0; i < models.size(); i++) {
      DamagedModels own = models.get(i);
      long first = from.next() + i;
      parts.add(
          CompletableFuture.supplyAsync(
              () -> part(own, from.seed(), first, models.size(), end), task -> start(task)));
    }
    long refused = from.refused();
    long failures = from.failures();
    List<String> kept = new ArrayList<>(from.kept());
    for (CompletableFuture<Progress> part : parts) {
      Progress done = part.join();
      refused += done.refused();
      failures += done.failures();
      kept.addAll(done.kept().subList(0, Math.min(done.kept().size(), MAX_KEPT - kept.size())));
    }
    return new Progress(from.seed(), end, refused, failures, kept);
  }

  private static void start(Runnable task) {
    new Thread(task, "fuzz").start();
  }

  /** Files first, first + step and so on. */
  private static Progress part(DamagedModels models, long seed, long first, int step, long end) {
    long refused = 0;
    List<String> failures = new ArrayList<>();
    for (long i = first; i < end; i += step) {
      DamagedModels.Outcome outcome = models.check(seed, i);
      refused += outcome.refused() ? 1 : 0;
      if (outcome.failure() != null) {
        failures.add(outcome.failure());
      }
    }
    return new Progress(seed, end, refused, failures.size(), failures);
  }

  private static BenchmarkResult result(Progress progress, int models) throws IOException {
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "Damaged model files",
            ("One file of one of %d tiny models damaged at one to three places, then opened and the"
                    + " end of every tensor read, the chat template parsed and, in one of eight where"
                    + " the damage may lie in it, the tokenizer made. A failure: another exception"
                    + " than the one that names the file, more than a second, or more bytes allocated"
                    + " in all, up to the making of the tokenizer, than twice the size of the model's"
                    + " files (256 KiB are always allowed). Seed %d.")
                .formatted(models, progress.seed()),
            List.of("files", "refused", "read", "failures"),
            List.of(
                List.of(
                    "" + progress.next(),
                    "" + progress.refused(),
                    "" + (progress.next() - progress.refused() - progress.failures()),
                    "" + progress.failures())));
    return BenchmarkResult.here(
        "format-fuzz",
        "benchmarks/run.sh FormatFuzz llama-runtime/src/test/resources/golden %d %d 2 PROGRESS.json benchmarks/results"
            .formatted(progress.next(), progress.seed()),
        List.of(
            new BenchmarkResult.Figure("fuzz.files.count", (double) progress.next(), null),
            new BenchmarkResult.Figure("fuzz.files.failures", (double) progress.failures(), null)),
        List.of(table));
  }
}
