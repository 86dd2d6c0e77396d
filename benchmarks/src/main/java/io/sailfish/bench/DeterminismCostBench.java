package io.sailfish.bench;

import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What the engine's share of "same answer always" costs on the CPU: the same requests through an
 * engine that cuts prompts only at fixed places and through one that fills every step to the brim,
 * in turns, first one first, then the other; the median of the pairs' ratios counts, because the
 * host's own speed moves more than the question is about. The operators' fixed order of sums has no
 * faster, looser twin to hold it against: the rows of a product are independent, so the order costs
 * nothing there by construction.
 *
 * <pre>DeterminismCostBench MODEL.gguf RESULTS_FOLDER [threads]</pre>
 */
public final class DeterminismCostBench {
  private static final int RUNS = 16;
  private static final int REQUESTS = 32;
  private static final int CUT_ANYWHERE = 1;
  private static final int CUT_AS_IN_PRODUCTION = 0;

  private DeterminismCostBench() {}

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException(
          "DeterminismCostBench MODEL.gguf RESULTS_FOLDER [threads]");
    }
    Path model = Path.of(args[0]);
    RuntimeConfig config = config(args.length > 2 ? Integer.parseInt(args[2]) : 0);
    List<Double> fixed = new ArrayList<>();
    List<Double> free = new ArrayList<>();
    List<Double> ratios = new ArrayList<>();
    try (LoadedEngine cutFixed = LoadedEngine.load(model, config, CUT_AS_IN_PRODUCTION);
        LoadedEngine cutFree = LoadedEngine.load(model, config, CUT_ANYWHERE)) {
      // The first rounds compile; their times are dropped.
      for (int run = -2; run < RUNS; run++) {
        boolean fixedFirst = run % 2 == 0;
        double first = tokensPerSecond(fixedFirst ? cutFixed : cutFree, run);
        double second = tokensPerSecond(fixedFirst ? cutFree : cutFixed, run);
        double a = fixedFirst ? first : second;
        double b = fixedFirst ? second : first;
        System.out.printf(Locale.ROOT, "fixed cuts %.1f tok/s, free cuts %.1f tok/s%n", a, b);
        if (run >= 0) {
          fixed.add(a);
          free.add(b);
          ratios.add(a / b);
        }
      }
    }
    double cost = 1 - median(ratios);
    System.out.printf(Locale.ROOT, "cost share %.4f%n", cost);
    System.out.println(result(cost, fixed, free).write(Path.of(args[1])));
  }

  private static BenchmarkResult result(double cost, List<Double> fixed, List<Double> free)
      throws IOException {
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "What fixed cuts of prompts cost",
            "Tokens a second (prompt and output) of the same seeded requests, in turns; medians of "
                + RUNS
                + " runs. The figure is 1 - the median of the pairs' ratios.",
            List.of("prompts cut", "tokens/s", "runs"),
            List.of(
                List.of("at multiples of 64 tokens", "%.1f".formatted(median(fixed)), "" + fixed),
                List.of("where a step is full", "%.1f".formatted(median(free)), "" + free)));
    return new BenchmarkResult(
        "determinism-cost",
        RunFacts.date(),
        RunFacts.commit(),
        RunFacts.machine(),
        "benchmarks/run.sh DeterminismCostBench MODEL.gguf benchmarks/results",
        List.of(new BenchmarkResult.Figure("determinism.cpu.cost_share", cost, null)),
        List.of(table));
  }

  private static double tokensPerSecond(LoadedEngine loaded, int run) {
    // Other prompts in each run, or the second one would find them in the cache.
    List<GenerationRequest> requests =
        SeededPrompts.make(
            REQUESTS, 100 + run, new SeededPrompts.Shape(0, 20, 200), SamplingParams.greedy(24));
    long start = System.nanoTime();
    long tokens = 0;
    for (GenerationResult result : loaded.run(requests)) {
      tokens += result.promptTokens() + result.tokens().length;
    }
    return tokens * 1e9 / (System.nanoTime() - start);
  }

  private static RuntimeConfig config(int threads) {
    RuntimeConfig d = RuntimeConfig.defaults();
    return new RuntimeConfig(
        "cpu",
        threads,
        32,
        d.kvBytes(),
        d.contextTokens(),
        d.prefillChunk(),
        d.prefixReuse(),
        d.arrowBytes(),
        d.chatTemplate(),
        d.templateTime());
  }

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
  }
}
