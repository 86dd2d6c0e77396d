package io.sailfish.bench;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.EngineMetrics;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * What the bare engine does with seeded requests: tokens a second, batch fill, where the time goes.
 *
 * <pre>EngineBench MODEL.gguf RESULTS_FOLDER [threads]</pre>
 */
public final class EngineBench {
  private final Path model;
  private final RuntimeConfig config;
  private final List<List<String>> rows = new ArrayList<>();

  private EngineBench(Path model, int threads) {
    this.model = model;
    this.config = RuntimeConfig.defaults().on(BackendRequest.of("auto", threads));
  }

  private record Scenario(String name, List<GenerationRequest> requests) {}

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException("EngineBench MODEL.gguf RESULTS_FOLDER [threads]");
    }
    new EngineBench(Path.of(args[0]), args.length > 2 ? Integer.parseInt(args[2]) : 0)
        .run(Path.of(args[1]));
  }

  private void run(Path folder) throws IOException {
    try (LoadedEngine loaded = LoadedEngine.load(model, config)) {
      for (Scenario scenario : scenarios()) {
        measure(loaded, scenario);
      }
    }
    Path file =
        BenchmarkResult.here(
                "engine",
                "benchmarks/run.sh EngineBench MODEL.gguf benchmarks/results",
                List.of(),
                List.of(table()))
            .write(folder);
    System.out.println(file);
  }

  private static List<Scenario> scenarios() {
    SamplingParams answer = SamplingParams.greedy(64);
    SamplingParams sampled = new SamplingParams(64, 0.8f, 40, 0.95f, 0f, 1.1f, 7, List.of());
    SeededPrompts.Shape mixed = new SeededPrompts.Shape(32, 16, 160);
    return List.of(
        new Scenario("warm-up", SeededPrompts.make(64, 1, mixed, answer)),
        new Scenario("table rows, greedy", SeededPrompts.make(192, 2, mixed, answer)),
        new Scenario("table rows, sampled", SeededPrompts.make(192, 2, mixed, sampled)),
        new Scenario("three labels scored", scored(192)),
        new Scenario(
            "prompts alone",
            SeededPrompts.make(
                96, 3, new SeededPrompts.Shape(0, 128, 128), SamplingParams.greedy(1))),
        new Scenario(
            "one row at a time",
            SeededPrompts.make(1, 4, new SeededPrompts.Shape(0, 32, 32), answer)));
  }

  private static List<GenerationRequest> scored(int count) {
    Random random = new Random(5);
    List<GenerationRequest> requests = new ArrayList<>();
    List<int[]> labels =
        List.of(
            SeededPrompts.tokens(random, 2),
            SeededPrompts.tokens(random, 3),
            SeededPrompts.tokens(random, 2));
    SeededPrompts.Shape shape = new SeededPrompts.Shape(32, 16, 160);
    for (GenerationRequest prompt : SeededPrompts.make(count, 6, shape, SamplingParams.greedy(1))) {
      requests.add(GenerationRequest.score(prompt.prompt(), labels));
    }
    return requests;
  }

  private void measure(LoadedEngine loaded, Scenario scenario) {
    EngineMetrics before = loaded.engine().metrics();
    long start = System.nanoTime();
    List<GenerationResult> results = loaded.run(scenario.requests());
    double seconds = (System.nanoTime() - start) / 1e9;
    EngineMetrics after = loaded.engine().metrics();
    double steps = after.steps() - before.steps();
    double prompt = results.stream().mapToLong(GenerationResult::promptTokens).sum();
    double output = after.outputTokens() - before.outputTokens();
    double reused = after.reusedTokens() - before.reusedTokens();
    double busy = seconds * 1e9;
    rows.add(
        Arrays.asList(
            scenario.name(),
            "%d".formatted(results.size()),
            format(seconds, 2),
            format(prompt / seconds, 0),
            format(output / seconds, 0),
            format((after.stepSequences() - before.stepSequences()) / steps, 1),
            format((after.stepRows() - before.stepRows()) / steps, 1),
            format(100 * reused / prompt, 0),
            format(100 * (after.prefillNanos() - before.prefillNanos()) / busy, 1),
            format(100 * (after.decodeNanos() - before.decodeNanos()) / busy, 1),
            format(100 * (after.samplingNanos() - before.samplingNanos()) / busy, 2),
            format(100 * (after.planNanos() - before.planNanos()) / busy, 2)));
    System.out.println(String.join(" | ", rows.get(rows.size() - 1)));
  }

  private BenchmarkResult.Table table() {
    return new BenchmarkResult.Table(
        "The engine on SmolLM2 135M",
        "Seeded requests submitted at once, without Spark; answers have at most 64 tokens. Times"
            + " are shares of the engine thread.",
        List.of(
            "requests",
            "number",
            "seconds",
            "prompt tokens/s",
            "output tokens/s",
            "sequences a step",
            "rows a step",
            "prompt reused %",
            "prefill %",
            "decode %",
            "sampling %",
            "planning %"),
        rows.subList(1, rows.size()));
  }

  private static String format(double value, int digits) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }
}
