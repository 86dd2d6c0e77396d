package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.EngineMetrics;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Requests in bulk through the bare engine on a card, Llama 8B shapes with random weights: all
 * submitted at once, greedy, random token ids, answers of fixed length.
 *
 * <p>Options: {@code --only WORD} (of the scenario's name), {@code --scale N} (of each scenario's
 * requests one in N, for a trial; no figures then), {@code --cap N}, {@code --chunk N} (prompt rows
 * a step), {@code --timeline FOLDER} (of its steps), {@code --commit ID}, {@code --results FOLDER}.
 */
public final class GpuEngineBench {
  private static final int CONTEXT = 1024;
  private static final int MANY_TOKENS = 1000;

  /**
   * @param figure its id, or null
   * @param shared tokens that all prompts start with
   */
  private record Scenario(String figure, int requests, int prompt, int shared, int answer) {
    String name() {
      return prompt + "_" + answer + (shared > 0 ? " shared " + shared : "");
    }
  }

  private static final Scenario LONG =
      new Scenario("engine.8b.offline_512_128.s", 1024, 512, 0, 128);
  private static final Scenario SHORT =
      new Scenario("engine.8b.offline_128_32.s", 2048, 128, 0, 32);
  private static final Scenario SHARED = new Scenario(null, 1024, 512, 384, 128);
  private static final String SHARED_FIGURE = "engine.8b.prefix_512_128.x_own";

  private final Options options;
  private final ModelConfig model = StepModel.LLAMA_8B;
  private final List<BenchmarkResult.Figure> figures = new ArrayList<>();
  private final List<List<String>> rows = new ArrayList<>();
  private boolean failed;

  private GpuEngineBench(Options options) {
    this.options = options;
  }

  public static void main(String[] args) throws IOException {
    CardProgram.requireCard("measured");
    GpuEngineBench bench = new GpuEngineBench(new Options(args));
    bench.run(args);
    System.exit(bench.failed ? 1 : 0);
  }

  private void run(String[] args) throws IOException {
    CudaBackend backend = CudaBackend.open(0);
    LlamaEngine.Loaded loaded =
        new LlamaEngine.Loaded(
            model, StepModel.weights(model, backend), "random weights, 8B shapes", Set.of());
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cuda", 0))
            .withBatchCap((int) options.number("cap", 0))
            .withContextTokens(CONTEXT)
            .withPrefillChunk((int) options.number("chunk", 0))
            .withTimeline(options.text("timeline", null));
    try (Engine engine = LlamaEngine.start(loaded, backend, new IdTokenizer(), config)) {
      System.out.printf(
          "batch cap %d (%s), KV %d MiB%n",
          engine.config().batchCap(),
          engine.config().batchCapReason(),
          engine.config().kvBytes() >> 20);
      submit(engine, requests(new Scenario(null, 300, 512, 0, 8), 1)); // code loaded, graphs made
      double own = 0;
      for (Scenario scenario : List.of(LONG, SHORT, SHARED)) {
        if (!scenario.name().contains(options.text("only", ""))) {
          continue;
        }
        double seconds = measure(engine, scenario);
        own = scenario == LONG ? seconds : own;
        if (scenario == SHARED && own > 0) {
          figure(SHARED_FIGURE, seconds / own);
        } else if (scenario.figure() != null) {
          figure(scenario.figure(), seconds);
        }
      }
    }
    write();
  }

  private void figure(String id, double value) {
    System.out.printf(Locale.ROOT, "%s %.3f%n", id, value);
    if (options.number("scale", 1) == 1) {
      figures.add(new BenchmarkResult.Figure(id, Math.rint(value * 1000) / 1000, null));
    }
  }

  private double measure(Engine engine, Scenario scenario) {
    List<GenerationRequest> requests = requests(scenario, 7);
    EngineMetrics before = engine.metrics();
    long start = System.nanoTime();
    List<GenerationResult> results = submit(engine, requests);
    double seconds = (System.nanoTime() - start) / 1e9;
    check(scenario, results);
    row(scenario, requests.size(), seconds, before, engine.metrics());
    return seconds;
  }

  private static List<GenerationResult> submit(Engine engine, List<GenerationRequest> requests) {
    List<Ticket> tickets = requests.stream().map(engine::submit).toList();
    return tickets.stream().map(Ticket::join).toList();
  }

  /** Random weights must not make every row say the same, and no answer may be short. */
  private void check(Scenario scenario, List<GenerationResult> results) {
    Set<Integer> distinct =
        results.stream()
            .flatMapToInt(result -> IntStream.of(result.tokens()))
            .boxed()
            .collect(Collectors.toSet());
    long tokens = results.stream().mapToLong(result -> result.tokens().length).sum();
    System.out.printf("%d distinct tokens among %d%n", distinct.size(), tokens);
    failed |= tokens != (long) results.size() * scenario.answer();
    failed |= distinct.size() <= MANY_TOKENS && options.number("scale", 1) == 1;
  }

  private List<GenerationRequest> requests(Scenario scenario, long seed) {
    Random random = new Random(seed * 31 + scenario.prompt() + scenario.shared());
    int[] shared = tokens(random, scenario.shared());
    List<GenerationRequest> requests = new ArrayList<>();
    long count = Math.max(1, scenario.requests() / options.number("scale", 1));
    for (int i = 0; i < count; i++) {
      int[] own = tokens(random, scenario.prompt() - scenario.shared());
      int[] prompt = IntStream.concat(IntStream.of(shared), IntStream.of(own)).toArray();
      requests.add(GenerationRequest.generate(prompt, SamplingParams.greedy(scenario.answer())));
    }
    return requests;
  }

  private int[] tokens(Random random, int count) {
    return random.ints(count, 0, model.vocabulary()).toArray();
  }

  private void row(
      Scenario scenario, int requests, double seconds, EngineMetrics before, EngineMetrics after) {
    double steps = after.steps() - before.steps();
    double wall = seconds * 1e9;
    rows.add(
        List.of(
            scenario.name(),
            String.valueOf(requests),
            text(seconds),
            text(requests * (double) scenario.prompt() / seconds),
            text((after.outputTokens() - before.outputTokens()) / seconds),
            text(steps),
            text((after.stepSequences() - before.stepSequences()) / steps),
            text((after.reusedTokens() - before.reusedTokens()) / (double) requests),
            text(100 * (after.planNanos() - before.planNanos()) / wall),
            text(100 * (after.queueNanos() - before.queueNanos()) / wall),
            text(100 * (after.samplingNanos() - before.samplingNanos()) / wall),
            text(100 * (after.awaitNanos() - before.awaitNanos()) / wall)));
    System.out.println(String.join(" | ", rows.get(rows.size() - 1)));
  }

  private static String text(double value) {
    return String.format(Locale.ROOT, value < 100 ? "%.2f" : "%.0f", value);
  }

  private void write() throws IOException {
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "Requests in bulk, Llama 8B shapes, w4a16 g128",
            "Random weights and token ids, greedy, all requests submitted at once to the engine."
                + " Shares are of the engine's thread, which is a step ahead of the card: where it"
                + " awaits, the card is busy.",
            List.of(
                "prompt_answer",
                "requests",
                "seconds",
                "prompt tokens/s",
                "output tokens/s",
                "steps",
                "sequences a step",
                "reused tokens a row",
                "planning %",
                "queueing %",
                "tokens to rows %",
                "awaiting %"),
            rows);
    new CardProgram(GpuEngineBench.class, "gpu-engine", options).write(figures, List.of(table));
  }
}
