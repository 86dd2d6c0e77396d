package io.sailfish.bench;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * From an open file to the logits of a 16-token prompt: seconds in a JVM that has done it before,
 * and what the first load adds to the resident set, KV cache taken off, over the file's size.
 *
 * <pre>LoadBench MODEL.gguf RESULTS_FOLDER COMMIT MACHINE</pre>
 */
public final class LoadBench {
  private static final int THREADS = 2;
  private static final int RUNS = 5;

  private LoadBench() {}

  public static void main(String[] args) throws IOException {
    Path file = Path.of(args[0]);
    Files.readAllBytes(file); // into the page cache
    System.gc();
    long before = residentBytes();
    double growth;
    List<Double> seconds = new ArrayList<>();
    try (Backend backend = Backends.open("cpu", THREADS)) {
      BareModel first = load(file, backend);
      System.gc();
      long grown = residentBytes() - before - first.kvBytes();
      growth = (double) grown / Files.size(file);
      System.out.printf("resident growth %d MB, %.2f x the file%n", grown >> 20, growth);
    }
    for (int run = 0; run <= RUNS; run++) {
      System.gc();
      long start = System.nanoTime();
      try (Backend backend = Backends.open("cpu", THREADS)) {
        load(file, backend);
      }
      double took = (System.nanoTime() - start) / 1e9;
      System.out.printf("load to first token %.3f s%n", took);
      if (run > 0) {
        seconds.add(took);
      }
    }
    double[] sorted = seconds.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    BenchmarkResult result =
        new BenchmarkResult(
            "cpu-load",
            Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
            args[2],
            args[3] + ", Java " + Runtime.version().feature(),
            "benchmarks/compare_llama_cpp.sh",
            Arrays.asList(
                new BenchmarkResult.Figure(
                    "cpu.smollm2.load_to_first_token_s", sorted[sorted.length / 2], seconds),
                new BenchmarkResult.Figure("cpu.smollm2.rss_x_file", growth, null)),
            null);
    System.out.println(result.write(Path.of(args[1])));
  }

  private static BareModel load(Path file, Backend backend) {
    try (Checkpoint checkpoint = Checkpoints.open(file)) {
      BareModel model =
          new BareModel(checkpoint.config(), LlamaWeights.load(checkpoint, backend), backend);
      model.logits(BareModel.PROMPT, 1);
      return model;
    }
  }

  private static long residentBytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }
    throw new IllegalStateException("/proc/self/status has no VmRSS");
  }
}
