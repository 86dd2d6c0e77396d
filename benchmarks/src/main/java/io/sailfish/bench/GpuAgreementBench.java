package io.sailfish.bench;

import io.sailfish.bench.BenchmarkResult.Figure;
import io.sailfish.bench.BenchmarkResult.Table;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Greedy answers of a card against those of the CPU backend, whose activations are fp32. Where a
 * row takes another way, the CPU says how far apart its logits of the two tokens are: a row counts
 * as the same if it is, or if that gap is below {@link #TOLERANCE}, as rounding may decide it then.
 *
 * <pre>
 * GpuAgreementBench cpu MODEL ANSWERS [PROMPTS]           answers of the CPU backend, to a file
 * GpuAgreementBench card MODEL ANSWERS RESULTS COMMIT     the card's answers compared with them
 * </pre>
 */
public final class GpuAgreementBench {
  private static final int PROMPTS = 500;
  private static final int TOKENS = 64;
  private static final int CONTEXT = 512;

  /** In the place of a token that an answer does not have; not looked at. */
  private static final int NONE = 0;

  /** Logits; fp16 activations move SmolLM2's logits, of 10 to 20, by a few hundredths. */
  private static final double TOLERANCE = 0.05;

  private static final List<String> TASKS =
      List.of(
          "Explain to a child what a %s is.",
          "Write two sentences about a %s at night.",
          "List three facts about the %s.",
          "What would you do with a %s and a %s?",
          "Is a %s larger than a %s? Answer and give a reason.");
  private static final List<String> THINGS =
      List.of(
          "river", "violin", "comet", "bakery", "glacier", "lantern", "harbour", "orchard",
          "magnet", "bridge", "volcano", "letter", "clock", "garden", "market", "desert", "engine",
          "library", "island", "candle");

  private GpuAgreementBench() {}

  public static void main(String[] args) throws IOException {
    Path model = Path.of(args[1]);
    Path answers = Path.of(args[2]);
    if (args[0].equals("cpu")) {
      int prompts = args.length > 3 ? Integer.parseInt(args[3]) : PROMPTS;
      try (LoadedEngine cpu = LoadedEngine.load(model, config("cpu"))) {
        write(answers, cpu.run(requests(cpu.tokenizer(), prompts)));
      }
    } else {
      compare(model, answers, Path.of(args[3]), args[4]);
    }
  }

  private static RuntimeConfig config(String backend) {
    return RuntimeConfig.defaults().on(BackendRequest.of(backend, 0)).withContextTokens(CONTEXT);
  }

  private static List<GenerationRequest> requests(Tokenizer tokenizer, int count) {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String first = THINGS.get(i % THINGS.size());
      String second = THINGS.get((i / THINGS.size() + i + 1) % THINGS.size());
      String task = TASKS.get(i / THINGS.size() % TASKS.size());
      String text = "(%d) %s".formatted(i, String.format(Locale.ROOT, task, first, second));
      int[] prompt =
          tokenizer.encodePrompt(
              "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n");
      requests.add(GenerationRequest.generate(prompt, SamplingParams.greedy(TOKENS)));
    }
    return requests;
  }

  private static void write(Path file, List<GenerationResult> results) throws IOException {
    Files.write(
        file,
        results.stream()
            .map(r -> Arrays.toString(r.tokens()).replaceAll("[\\[\\],]", ""))
            .toList());
  }

  private static List<int[]> read(Path file) throws IOException {
    return Files.readAllLines(file).stream()
        .map(
            line ->
                line.isBlank()
                    ? new int[0]
                    : Arrays.stream(line.split(" ")).mapToInt(Integer::parseInt).toArray())
        .toList();
  }

  private static void compare(Path model, Path answers, Path results, String commit)
      throws IOException {
    List<int[]> expected = read(answers);
    List<GenerationRequest> requests;
    List<GenerationResult> card;
    String device;
    try (LoadedEngine cuda = LoadedEngine.load(model, config("cuda"))) {
      requests = requests(cuda.tokenizer(), expected.size());
      long start = System.nanoTime();
      card = cuda.run(requests);
      System.out.printf("%d rows in %.2f s%n", card.size(), (System.nanoTime() - start) / 1e9);
      device = cuda.engine().config().batchCapReason();
    }
    System.out.println(device);
    List<Integer> differing =
        IntStream.range(0, expected.size())
            .filter(i -> !Arrays.equals(expected.get(i), card.get(i).tokens()))
            .boxed()
            .toList();
    double[] gaps = gaps(model, requests, expected, card, differing);
    long close = Arrays.stream(gaps).filter(gap -> gap < TOLERANCE).count();
    int same = expected.size() - differing.size();
    double share = (same + close) / (double) expected.size();
    List<List<String>> rows =
        List.of(
            List.of("identical", "" + same),
            List.of("differing at a gap below %s".formatted(TOLERANCE), "" + close),
            List.of("differing otherwise", "" + (differing.size() - close)),
            List.of(
                "gaps",
                String.join(
                    " ", Arrays.stream(gaps).sorted().mapToObj("%.3f"::formatted).toList())));
    rows.forEach(row -> System.out.println(String.join(": ", row)));
    System.out.printf(Locale.ROOT, "fidelity.gpu.smollm2.rows_identical_share %.4f%n", share);
    Table table =
        new Table(
            "SmolLM2 Q4_1 on the card against the CPU backend",
            "%d prompts, %d greedy tokens at most. Where an answer takes another way, the gap is that of the CPU's logits of the two tokens."
                .formatted(expected.size(), TOKENS),
            List.of("rows", "number"),
            rows);
    new BenchmarkResult(
            "gpu-agreement",
            RunFacts.date(),
            commit,
            RunFacts.card(),
            "java io.sailfish.bench.GpuAgreementBench card MODEL ANSWERS RESULTS COMMIT",
            List.of(new Figure("fidelity.gpu.smollm2.rows_identical_share", share, null)),
            List.of(table))
        .write(results);
  }

  /** By how much the CPU prefers its own token where the answers part. */
  private static double[] gaps(
      Path model,
      List<GenerationRequest> requests,
      List<int[]> expected,
      List<GenerationResult> card,
      List<Integer> differing) {
    if (differing.isEmpty()) {
      return new double[0];
    }
    try (LoadedEngine cpu = LoadedEngine.load(model, config("cpu"))) {
      Set<Integer> ends = cpu.engine().config().stopIds();
      List<GenerationRequest> scores = new ArrayList<>();
      List<boolean[]> ended = new ArrayList<>();
      for (int i : differing) {
        int[] ours = card.get(i).tokens();
        int[] theirs = expected.get(i);
        int at = Arrays.mismatch(theirs, ours);
        int[] prompt =
            IntStream.concat(IntStream.of(requests.get(i).prompt()), Arrays.stream(theirs, 0, at))
                .toArray();
        // An answer that has ended there said one of the end tokens, the likeliest for the CPU.
        List<int[]> said = new ArrayList<>();
        said.add(new int[] {at < theirs.length ? theirs[at] : NONE});
        said.add(new int[] {at < ours.length ? ours[at] : NONE});
        ends.forEach(id -> said.add(new int[] {id}));
        ended.add(new boolean[] {at >= theirs.length, at >= ours.length});
        scores.add(GenerationRequest.score(prompt, said));
      }
      List<GenerationResult> results = cpu.run(scores);
      return IntStream.range(0, scores.size())
          .mapToDouble(i -> gap(results.get(i).logProbs(), ended.get(i)))
          .toArray();
    }
  }

  /** Logits by which the two tokens differ for the CPU. */
  private static double gap(double[] logProbs, boolean[] ended) {
    double end = Arrays.stream(logProbs, 2, logProbs.length).max().orElseThrow();
    return Math.abs((ended[0] ? end : logProbs[0]) - (ended[1] ? end : logProbs[1]));
  }
}
