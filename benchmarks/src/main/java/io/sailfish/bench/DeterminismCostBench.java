package io.sailfish.bench;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
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
 * What "same answer always" costs the engine: the same requests through an engine that cuts prompts
 * where the backend's bits ask for it ({@link io.sailfish.kernels.Backend#promptCut}) and through
 * one that fills every step to the brim. The operators' fixed order of sums has no faster, looser
 * twin here: the rows of a product are independent, so the order costs nothing by construction.
 * What can cost is the number of steps, which is counted, not timed: on a host whose own speed
 * moves by a tenth, times cannot show a hundredth.
 *
 * <pre>DeterminismCostBench MODEL.gguf RESULTS_FOLDER [threads]</pre>
 */
public final class DeterminismCostBench {
  private static final int RUNS = 5;
  private static final int REQUESTS = 64;
  private static final int CARD_REQUESTS = 2048;
  private static final int CUT_ANYWHERE = 1;
  private static final int CUT_AS_IN_PRODUCTION = 0;

  /** Steps and tokens a second of one run. */
  private record Run(double steps, double tokensPerSecond) {}

  private DeterminismCostBench() {}

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException(
          "DeterminismCostBench MODEL.gguf RESULTS_FOLDER [threads | card COMMIT]");
    }
    Path model = Path.of(args[0]);
    boolean card = args.length > 2 && args[2].equals("card");
    RuntimeConfig config =
        card ? cardConfig() : config(args.length > 2 ? Integer.parseInt(args[2]) : 0);
    int requests = card ? CARD_REQUESTS : REQUESTS;
    List<Run> fixed = new ArrayList<>();
    List<Run> free = new ArrayList<>();
    try (LoadedEngine production = LoadedEngine.load(model, config, CUT_AS_IN_PRODUCTION);
        LoadedEngine loose = LoadedEngine.load(model, config, CUT_ANYWHERE)) {
      // The first round compiles; it is dropped.
      for (int run = 0; run <= RUNS; run++) {
        Run a = run(production, requests, run);
        Run b = run(loose, requests, run);
        System.out.println("as in production " + a + ", cut anywhere " + b);
        if (run > 0) {
          fixed.add(a);
          free.add(b);
        }
      }
    }
    double cost = card ? 1 - speed(fixed) / speed(free) : 1 - steps(free) / steps(fixed);
    System.out.printf(Locale.ROOT, "cost share %.4f%n", cost);
    System.out.println(result(card ? args[3] : null, cost, fixed, free).write(Path.of(args[1])));
  }

  private static double steps(List<Run> runs) {
    return runs.stream().mapToDouble(Run::steps).sum();
  }

  private static double speed(List<Run> runs) {
    return Median.of(runs.stream().mapToDouble(Run::tokensPerSecond).toArray());
  }

  /**
   * @param cardCommit what was measured on a card; null for the CPU and the tree as it is
   */
  private static BenchmarkResult result(
      String cardCommit, double cost, List<Run> fixed, List<Run> free) throws IOException {
    boolean card = cardCommit != null;
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "What fixed cuts of prompts cost" + (card ? " on a card" : ""),
            "The same seeded requests, in turns, %d runs. The figure is the share of %s that"
                    .formatted(RUNS, card ? "speed" : "steps")
                + (card ? " production loses to" : " production needs beyond those of")
                + " full steps; tokens (prompt and output) a second are medians.",
            List.of("prompts cut", "steps", "tokens/s"),
            List.of(row("as the backend asks", fixed), row("where a step is full", free)));
    return new BenchmarkResult(
        card ? "gpu-determinism-cost" : "determinism-cost",
        RunFacts.date(),
        card ? cardCommit : RunFacts.commit(),
        card ? RunFacts.card() : RunFacts.machine(),
        card
            ? "java io.sailfish.bench.DeterminismCostBench MODEL.gguf RESULTS card COMMIT"
            : "benchmarks/run.sh DeterminismCostBench MODEL.gguf benchmarks/results",
        List.of(
            new BenchmarkResult.Figure(
                "determinism.%s.cost_share".formatted(card ? "gpu" : "cpu"), cost, null)),
        List.of(table));
  }

  private static List<String> row(String name, List<Run> runs) {
    return List.of(name, "%.0f".formatted(steps(runs)), "%.0f".formatted(speed(runs)));
  }

  private static Run run(LoadedEngine loaded, int count, int run) {
    // Other prompts in each run, or the second one would find them in the cache.
    List<GenerationRequest> requests =
        SeededPrompts.make(
            count, 100 + run, new SeededPrompts.Shape(0, 20, 200), SamplingParams.greedy(24));
    long before = loaded.engine().metrics().steps();
    long start = System.nanoTime();
    long tokens = 0;
    for (GenerationResult result : loaded.run(requests)) {
      tokens += result.promptTokens() + result.tokens().length;
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    return new Run(loaded.engine().metrics().steps() - before, tokens / seconds);
  }

  /** As in production, but for the memory: two engines share the card. */
  private static RuntimeConfig cardConfig() {
    return RuntimeConfig.defaults().on(new BackendRequest("cuda", 0, null, 0.4, TwoByteFloat.F16));
  }

  private static RuntimeConfig config(int threads) {
    return RuntimeConfig.defaults().on(BackendRequest.of("cpu", threads)).withBatchCap(32);
  }
}
