package io.sailfish.bench;

import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Whether a row's answer depends on anything but the row: the same requests through engines with
 * other batch caps, step sizes, orders, cache sizes, with and without prefix reuse, compared byte
 * by byte (text, tokens, log-probabilities). What differs from the first run is counted; any such
 * row makes the program fail.
 *
 * <pre>DeterminismBench MODEL.gguf RESULTS_FOLDER [threads]</pre>
 */
public final class DeterminismBench {
  private static final int GENERATED = 40;
  private static final int SCORED = 12;

  /** Context of a KV cache that holds two or three of the rows, so that some are put back. */
  private static final int TIGHT_CONTEXT = 256;

  private final Path model;
  private final int threads;
  private final List<GenerationRequest> requests = requests();

  private DeterminismBench(Path model, int threads) {
    this.model = model;
    this.threads = threads;
  }

  /**
   * One way to run the requests.
   *
   * @param order seed of the order of submission, 0 = as they are
   * @param tight one sequence's worth of KV cache only
   * @param alone each request waits for the one before
   */
  private record Variant(
      String name, int cap, int prefill, boolean reuse, int order, boolean tight, boolean alone) {}

  private static final List<Variant> VARIANTS =
      List.of(
          new Variant("cap 32", 32, 256, true, 0, false, false),
          new Variant("cap 32 again", 32, 256, true, 0, false, false),
          new Variant("cap 1, one at a time", 1, 256, true, 0, false, true),
          new Variant("cap 7, shuffled", 7, 256, true, 1, false, false),
          new Variant("cap 32, shuffled, no reuse", 32, 256, false, 2, false, false),
          new Variant("cap 5, chunks of 64", 5, 64, true, 3, false, false),
          new Variant("cap 3, chunks of 16", 3, 16, false, 4, false, false),
          new Variant("cap 32, tiny KV cache", 32, 256, true, 5, true, false),
          new Variant("cap 32, tiny KV cache, no reuse", 32, 128, false, 6, true, false));

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException("DeterminismBench MODEL.gguf RESULTS_FOLDER [threads]");
    }
    int threads = args.length > 2 ? Integer.parseInt(args[2]) : 0;
    if (new DeterminismBench(Path.of(args[0]), threads).run(Path.of(args[1])) > 0) {
      System.exit(1);
    }
  }

  private int run(Path folder) throws IOException {
    List<byte[]> expected = null;
    List<List<String>> rows = new ArrayList<>();
    int differing = 0;
    for (Variant variant : VARIANTS) {
      Outcome outcome = answers(variant);
      expected = expected == null ? outcome.answers : expected;
      int differs = 0;
      for (int i = 0; i < requests.size(); i++) {
        differs += Arrays.equals(expected.get(i), outcome.answers.get(i)) ? 0 : 1;
      }
      differing += differs;
      rows.add(
          List.of(
              variant.name(),
              String.valueOf(requests.size()),
              String.valueOf(differs),
              String.valueOf(outcome.preemptions),
              String.valueOf(outcome.reused)));
      System.out.println(String.join(" | ", rows.get(rows.size() - 1)));
    }
    System.out.println(differing + " rows differ");
    Path file =
        new BenchmarkResult(
                "engine-determinism",
                RunFacts.date(),
                RunFacts.commit(),
                RunFacts.machine(),
                "benchmarks/run.sh DeterminismBench MODEL.gguf benchmarks/results",
                List.of(),
                List.of(table(rows)))
            .write(folder);
    System.out.println(file);
    return differing;
  }

  private record Outcome(List<byte[]> answers, long preemptions, long reused) {}

  private Outcome answers(Variant variant) {
    RuntimeConfig config = config(variant, variant.tight() ? smallestKvBytes() : 0);
    try (LoadedEngine loaded = LoadedEngine.load(model, config)) {
      List<Integer> order = new ArrayList<>(IntStream.range(0, requests.size()).boxed().toList());
      if (variant.order() != 0) {
        Collections.shuffle(order, new Random(variant.order()));
      }
      byte[][] answers = new byte[requests.size()][];
      if (variant.alone()) {
        order.forEach(i -> answers[i] = bytes(loaded.run(List.of(requests.get(i))).get(0)));
      } else {
        List<GenerationResult> results = loaded.run(order.stream().map(requests::get).toList());
        for (int i = 0; i < results.size(); i++) {
          answers[order.get(i)] = bytes(results.get(i));
        }
      }
      return new Outcome(
          List.of(answers),
          loaded.engine().metrics().preemptions(),
          loaded.engine().metrics().reusedTokens());
    }
  }

  private RuntimeConfig config(Variant variant, long kvBytes) {
    RuntimeConfig d = RuntimeConfig.defaults();
    return new RuntimeConfig(
        "cpu",
        threads,
        variant.cap(),
        kvBytes,
        variant.tight() ? TIGHT_CONTEXT : 0,
        variant.prefill(),
        variant.reuse(),
        d.arrowBytes(),
        d.chatTemplate(),
        d.templateTime());
  }

  /** What one sequence of the tight context needs: less is refused. */
  private long smallestKvBytes() {
    Variant one = new Variant("smallest", 1, 64, true, 0, true, false);
    try (LoadedEngine loaded = LoadedEngine.load(model, config(one, 0))) {
      return loaded.engine().config().kvBytes();
    }
  }

  private static List<GenerationRequest> requests() {
    SeededPrompts.Shape shape = new SeededPrompts.Shape(20, 3, 120);
    List<GenerationRequest> requests = new ArrayList<>();
    List<GenerationRequest> prompts =
        SeededPrompts.make(GENERATED + SCORED, 11, shape, SamplingParams.greedy(1));
    Random random = new Random(12);
    for (int i = 0; i < prompts.size(); i++) {
      int[] prompt = prompts.get(i).prompt();
      int most = 8 + random.nextInt(40);
      if (i >= GENERATED) {
        List<int[]> labels = new ArrayList<>();
        for (int label = 0; label < 4; label++) {
          labels.add(SeededPrompts.tokens(random, 1 + random.nextInt(5)));
        }
        requests.add(GenerationRequest.score(prompt, labels));
      } else if (i % 2 == 0) {
        requests.add(GenerationRequest.generate(prompt, SamplingParams.greedy(most)));
      } else {
        SamplingParams sampled =
            new SamplingParams(most, 0.9f, i % 4 == 1 ? 50 : 0, 0.95f, 0f, 1.05f, i, List.of());
        requests.add(GenerationRequest.generate(prompt, sampled));
      }
    }
    return requests;
  }

  private static byte[] bytes(GenerationResult result) {
    return (result.text()
            + Arrays.toString(result.tokens())
            + result.finish()
            + Arrays.toString(result.logProbs()))
        .getBytes(StandardCharsets.UTF_8);
  }

  private static BenchmarkResult.Table table(List<List<String>> rows) {
    return new BenchmarkResult.Table(
        "Same answer always: the engine",
        "The same requests (greedy, sampled with a seed, labels scored) through engines set up"
            + " differently; rows whose text, tokens or log-probabilities differ from the first run"
            + " in any bit.",
        List.of("engine", "rows", "differing rows", "rows put back", "prompt tokens reused"),
        rows);
  }
}
