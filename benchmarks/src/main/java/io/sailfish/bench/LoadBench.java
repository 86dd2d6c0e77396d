package io.sailfish.bench;

import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Seconds from opening a file that is in the page cache to the first token of a short prompt, with
 * the default settings, in a JVM that has done so before.
 *
 * <pre>LoadBench MODEL.gguf RESULTS_FOLDER</pre>
 */
public final class LoadBench {
  private static final int WARM_UP = 3;
  private static final int RUNS = 5;

  private LoadBench() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      throw new IllegalArgumentException("LoadBench MODEL.gguf RESULTS_FOLDER");
    }
    Path model = Path.of(args[0]);
    List<Double> runs = new ArrayList<>();
    for (int run = 0; run < WARM_UP + RUNS; run++) {
      double seconds = loadToFirstToken(model);
      System.out.printf(Locale.ROOT, "%.2f s%s%n", seconds, run < WARM_UP ? " (warm-up)" : "");
      if (run >= WARM_UP) {
        runs.add(seconds);
      }
    }
    double median = Median.of(runs);
    System.out.println(
        BenchmarkResult.here(
                "cpu-load",
                "benchmarks/run.sh LoadBench MODEL.gguf benchmarks/results",
                List.of(
                    new BenchmarkResult.Figure("cpu.smollm2.load_to_first_token_s", median, runs)),
                null)
            .write(Path.of(args[1])));
  }

  private static double loadToFirstToken(Path model) {
    long start = System.nanoTime();
    try (LoadedEngine loaded = LoadedEngine.load(model, RuntimeConfig.defaults())) {
      int[] prompt = loaded.tokenizer().encodePrompt("The capital of France is");
      loaded.run(List.of(GenerationRequest.generate(prompt, SamplingParams.greedy(1))));
      return (System.nanoTime() - start) / 1e9;
    }
  }
}
