package io.sailfish.bench;

import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * What a loaded model adds to the process: resident memory after tokenizer, engine and a first
 * token, less what the JVM had before and less the KV cache, over the file's size. Start it with a
 * heap that may grow ({@code -Xms} small), or the weights hide in memory that was there before.
 *
 * <pre>
 * SAILFISH_BENCH_JVM="-Xms32m -Xmx1g" benchmarks/run.sh ResidentBench MODEL.gguf RESULTS_FOLDER
 * </pre>
 */
public final class ResidentBench {
  private static final long KV_BYTES = 90L << 20;

  private ResidentBench() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      throw new IllegalArgumentException("ResidentBench MODEL.gguf RESULTS_FOLDER");
    }
    if (Runtime.getRuntime().totalMemory() > 64L << 20) {
      throw new IllegalArgumentException("start with -Xms32m: a large heap hides what is loaded");
    }
    Path file = Path.of(args[0]);
    RuntimeConfig d = RuntimeConfig.defaults();
    RuntimeConfig config =
        new RuntimeConfig(
            "cpu",
            2,
            32,
            KV_BYTES,
            2048,
            d.prefillChunk(),
            d.prefixReuse(),
            d.arrowBytes(),
            d.chatTemplate(),
            d.templateTime());
    System.gc();
    long before = residentBytes();
    try (LoadedEngine loaded = LoadedEngine.load(file, config)) {
      int[] prompt = loaded.tokenizer().encodePrompt("A first prompt");
      loaded.run(List.of(GenerationRequest.generate(prompt, SamplingParams.greedy(1))));
      long peak = residentBytes();
      System.gc();
      long grown = residentBytes() - before - KV_BYTES;
      double share = (double) grown / Files.size(file);
      System.out.printf(
          Locale.ROOT,
          "resident %d MB before, %d MB at the first token, growth after a collection %d MB without"
              + " the KV cache: %.2f x the file%n",
          before >> 20,
          peak >> 20,
          grown >> 20,
          share);
      System.out.println(result(share).write(Path.of(args[1])));
    }
  }

  private static BenchmarkResult result(double share) throws IOException {
    return new BenchmarkResult(
        "cpu-resident",
        RunFacts.date(),
        RunFacts.commit(),
        RunFacts.machine(),
        "SAILFISH_BENCH_JVM=\"-Xms32m -Xmx1g\" benchmarks/run.sh ResidentBench MODEL.gguf"
            + " benchmarks/results",
        List.of(new BenchmarkResult.Figure("cpu.smollm2.rss_x_file", share, null)),
        null);
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
