package io.sailfish.bench;

import io.sailfish.kernels.BackendRequest;
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
 * token, less what the JVM had before and less the KV cache, over the file's size. "Before" is a
 * JVM that has run a tiny model and closed it, so that classes and compiled code are there. The
 * collector is told to give back what is free: the question is what the model needs, not how much
 * garbage a heap may hold.
 *
 * <pre>
 * SAILFISH_BENCH_JVM="-Xms32m -Xmx1g -XX:MinHeapFreeRatio=1 -XX:MaxHeapFreeRatio=2" \
 *     benchmarks/run.sh ResidentBench TINY.gguf MODEL.gguf RESULTS_FOLDER
 * </pre>
 */
public final class ResidentBench {
  private static final long KV_BYTES = 90L << 20;
  private static final long TINY_KV_BYTES = 1L << 20;

  /** G1 gives memory back by and by after a collection. */
  private static final int SETTLE_MILLIS = 2_000;

  private ResidentBench() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    if (args.length != 3) {
      throw new IllegalArgumentException("ResidentBench TINY.gguf MODEL.gguf RESULTS_FOLDER");
    }
    if (Runtime.getRuntime().totalMemory() > 64L << 20) {
      throw new IllegalArgumentException("start with -Xms32m: a large heap hides what is loaded");
    }
    try (LoadedEngine tiny = LoadedEngine.load(Path.of(args[0]), config(TINY_KV_BYTES, 32))) {
      firstToken(tiny);
    }
    long before = settledBytes();
    Path file = Path.of(args[1]);
    try (LoadedEngine loaded = LoadedEngine.load(file, config(KV_BYTES, 2048))) {
      firstToken(loaded);
      long peak = residentBytes();
      long grown = settledBytes() - before - KV_BYTES;
      double share = (double) grown / Files.size(file);
      System.out.printf(
          Locale.ROOT,
          "resident %d MiB before, %d MiB at the first token, growth after a collection %d MiB"
              + " without the KV cache: %.2f x the file%n",
          before >> 20,
          peak >> 20,
          grown >> 20,
          share);
      System.out.println(result(share).write(Path.of(args[2])));
    }
  }

  private static RuntimeConfig config(long kvBytes, int contextTokens) {
    return RuntimeConfig.defaults()
        .on(BackendRequest.of("cpu", 2))
        .withBatchCap(32)
        .withKvBytes(kvBytes)
        .withContextTokens(contextTokens);
  }

  private static void firstToken(LoadedEngine loaded) {
    int[] prompt = loaded.tokenizer().encodePrompt("A first prompt");
    loaded.run(List.of(GenerationRequest.generate(prompt, SamplingParams.greedy(1))));
  }

  private static long settledBytes() throws IOException, InterruptedException {
    System.gc();
    Thread.sleep(SETTLE_MILLIS);
    return residentBytes();
  }

  private static BenchmarkResult result(double share) throws IOException {
    return BenchmarkResult.here(
        "cpu-resident",
        "SAILFISH_BENCH_JVM=\"-Xms32m -Xmx1g -XX:MinHeapFreeRatio=1 -XX:MaxHeapFreeRatio=2\""
            + " benchmarks/run.sh ResidentBench"
            + " llama-runtime/src/test/resources/golden/plain.gguf MODEL.gguf benchmarks/results",
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
