package io.sailfish.bench;

import io.sailfish.kernels.BackendRequest;
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
 * other batch caps, step sizes, orders, cache sizes, with and without prefix reuse and drafts,
 * compared byte by byte (text, tokens, log-probabilities). What differs from the first run is
 * counted; any such row makes the program fail.
 *
 * <pre>DeterminismBench MODEL.gguf RESULTS_FOLDER [threads]
 * DeterminismBench MODEL.gguf RESULTS_FOLDER card COMMIT</pre>
 */
public final class DeterminismBench {
  private static final int GENERATED = 40;
  private static final int SCORED = 12;

  /** On a card there are batches of 256 to fill. */
  private static final int CARD_GENERATED = 300;

  /** Context of a KV cache that holds two or three of the rows, so that some are put back. */
  private static final int TIGHT_CONTEXT = 256;

  private final Path model;
  private final String backend;
  private final int threads;
  private final List<GenerationRequest> requests;

  private DeterminismBench(Path model, String backend, int threads) {
    this.model = model;
    this.backend = backend;
    this.threads = threads;
    this.requests = requests(backend.equals("cuda") ? CARD_GENERATED : GENERATED);
  }

  /**
   * One way to run the requests.
   *
   * @param order seed of the order of submission, 0 = as they are
   * @param tight one sequence's worth of KV cache only
   * @param alone each request waits for the one before
   */
  private record Variant(
      String name,
      int cap,
      int prefill,
      boolean reuse,
      int order,
      boolean tight,
      boolean alone,
      String speculation) {
    /** Without drafts. */
    Variant(
        String name, int cap, int prefill, boolean reuse, int order, boolean tight, boolean alone) {
      this(name, cap, prefill, reuse, order, tight, alone, "off");
    }

    /** With drafts wherever there is something to guess from. */
    Variant drafted() {
      return new Variant(name + ", drafts", cap, prefill, reuse, order, tight, alone, "always");
    }
  }

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
          new Variant("cap 32, tiny KV cache, no reuse", 32, 128, false, 6, true, false),
          new Variant("cap 32", 32, 256, true, 0, false, false).drafted(),
          new Variant("cap 1, one at a time", 1, 256, true, 0, false, true).drafted(),
          new Variant("cap 7, shuffled", 7, 256, false, 1, false, false).drafted(),
          new Variant("cap 32, tiny KV cache", 32, 256, true, 5, true, false).drafted());

  private static final List<Variant> CARD_VARIANTS =
      List.of(
          new Variant("cap 256", 256, 4096, true, 0, false, false),
          new Variant("cap 256 again", 256, 4096, true, 0, false, false),
          new Variant(
              "cap 256, shuffled, no reuse, chunks of 256", 256, 256, false, 1, false, false),
          new Variant("cap 32, shuffled", 32, 1024, true, 2, false, false),
          new Variant("cap 16, chunks of 64", 16, 64, true, 3, false, false),
          new Variant("cap 7, shuffled, chunks of 512", 7, 512, false, 4, false, false),
          new Variant("cap 1", 1, 256, true, 5, false, false),
          new Variant("cap 100, tiny KV cache", 100, 4096, true, 6, true, false),
          new Variant("cap 32, tiny KV cache, no reuse", 32, 128, false, 7, true, false),
          new Variant("cap 32, shuffled", 32, 1024, true, 8, false, false).drafted(),
          new Variant("cap 7, shuffled", 7, 512, false, 9, false, false).drafted(),
          new Variant("cap 1", 1, 256, true, 0, false, false).drafted());

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException(
          "DeterminismBench MODEL.gguf RESULTS_FOLDER [threads | card COMMIT]");
    }
    boolean card = args.length > 2 && args[2].equals("card");
    int threads = args.length > 2 && !card ? Integer.parseInt(args[2]) : 0;
    DeterminismBench bench = new DeterminismBench(Path.of(args[0]), card ? "cuda" : "cpu", threads);
    int differing =
        card ? bench.runOnCard(Path.of(args[1]), args[3]) : bench.runOnCpu(Path.of(args[1]));
    if (differing > 0) {
      System.exit(1);
    }
  }

  private int runOnCpu(Path folder) throws IOException {
    List<List<String>> rows = new ArrayList<>();
    int differing = compare(VARIANTS, rows);
    String command = "benchmarks/run.sh DeterminismBench MODEL.gguf benchmarks/results";
    System.out.println(
        BenchmarkResult.here("engine-determinism", command, List.of(), List.of(table("", rows)))
            .write(folder));
    return differing;
  }

  private int runOnCard(Path folder, String commit) throws IOException {
    List<List<String>> rows = new ArrayList<>();
    int differing = compare(CARD_VARIANTS, rows);
    System.out.println(
        new BenchmarkResult(
                "gpu-determinism",
                RunFacts.date(),
                commit,
                RunFacts.card(),
                "java io.sailfish.bench.DeterminismBench MODEL.gguf RESULTS card COMMIT",
                List.of(), // GpuDeterminismBench adds these rows to its own
                List.of(table(" on a card", rows)))
            .write(folder));
    return differing;
  }

  private int compare(List<Variant> variants, List<List<String>> rows) {
    List<byte[]> expected = null;
    int differing = 0;
    for (Variant variant : variants) {
      Outcome outcome = answers(variant);
      expected = expected == null ? outcome.answers : expected;
      int differs = 0;
      for (int i = 0; i < requests.size(); i++) {
        int at = Arrays.mismatch(expected.get(i), outcome.answers.get(i));
        if (at >= 0 && differs++ < 3) {
          System.out.printf(
              "request %d, prompt of %d: byte %d%n", i, requests.get(i).prompt().length, at);
        }
      }
      differing += differs;
      rows.add(
          List.of(
              variant.name(),
              String.valueOf(requests.size()),
              String.valueOf(differs),
              String.valueOf(outcome.preemptions),
              String.valueOf(outcome.reused),
              outcome.drafted + ", " + outcome.accepted));
      System.out.println(String.join(" | ", rows.get(rows.size() - 1)));
    }
    System.out.println(differing + " rows differ");
    return differing;
  }

  private record Outcome(
      List<byte[]> answers, long preemptions, long reused, long drafted, long accepted) {}

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
          loaded.engine().metrics().reusedTokens(),
          loaded.engine().metrics().draftedTokens(),
          loaded.engine().metrics().acceptedTokens());
    }
  }

  private RuntimeConfig config(Variant variant, long kvBytes) {
    return RuntimeConfig.defaults()
        .on(BackendRequest.of(backend, threads))
        .withBatchCap(variant.cap())
        .withKvBytes(kvBytes)
        .withContextTokens(variant.tight() ? TIGHT_CONTEXT : 0)
        .withPrefillChunk(variant.prefill())
        .withPrefixReuse(variant.reuse())
        .withSpeculation(variant.speculation());
  }

  /** What one sequence of the tight context needs: less is refused. */
  private long smallestKvBytes() {
    Variant one = new Variant("smallest", 1, 64, true, 0, true, false);
    try (LoadedEngine loaded = LoadedEngine.load(model, config(one, 0))) {
      return loaded.engine().config().kvBytes();
    }
  }

  private static List<GenerationRequest> requests(int generated) {
    SeededPrompts.Shape shape = new SeededPrompts.Shape(20, 3, 120);
    List<GenerationRequest> requests = new ArrayList<>();
    List<GenerationRequest> prompts =
        SeededPrompts.make(generated + SCORED, 11, shape, SamplingParams.greedy(1));
    Random random = new Random(12);
    for (int i = 0; i < prompts.size(); i++) {
      int[] prompt = prompts.get(i).prompt();
      for (int j = 30; i % 3 == 0 && j < prompt.length; j++) {
        prompt[j] = prompt[j - 10]; // goes round in circles, and so does the answer
      }
      int most = 8 + random.nextInt(40);
      if (i >= generated) {
        List<int[]> labels = new ArrayList<>();
        for (int label = 0; label < 4; label++) {
          labels.add(SeededPrompts.tokens(random, 1 + random.nextInt(5)));
        }
        requests.add(GenerationRequest.score(prompt, labels));
      } else if (i % 2 == 0 || i >= GENERATED) {
        // Sampling is the host's and slow; forty rows show it.
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

  private static BenchmarkResult.Table table(String where, List<List<String>> rows) {
    return new BenchmarkResult.Table(
        "Same answer always: the engine" + where,
        "The same requests (greedy, sampled with a seed, labels scored) through engines set up"
            + " differently; rows whose text, tokens or log-probabilities differ from the first run"
            + " in any bit.",
        List.of(
            "engine",
            "rows",
            "differing rows",
            "rows put back",
            "prompt tokens reused",
            "tokens drafted, right"),
        rows);
  }
}
