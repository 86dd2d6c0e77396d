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
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What guessing how answers go on gains: the same prompts through an engine with drafts and one
 * without, by turns, in batches of few and many rows. Prompts whose answers repeat them, and
 * prompts whose answers do not. An answer that differs between the two makes the program fail.
 *
 * <pre>SpeculationBench MODEL.gguf RESULTS_FOLDER [threads]</pre>
 */
public final class SpeculationBench {
  private static final int TURNS = 4;

  /** A row alone takes little time and shows losses best. */
  private static final int TURNS_ALONE = 5;

  private static final int[] BATCHES = {1, 16};

  /** Answers of a measurement: long enough for a batch of one. */
  private static final int LEAST_ROWS = 2;

  /** Of an answer at most. */
  private static final int TOKENS = 48;

  private static final List<String> NAMES =
      List.of("Anna Berg", "Luis Ortega", "Mei Tanaka", "Oluwaseun Bello", "Ingrid Dahl");
  private static final List<String> CITIES =
      List.of("Lisbon", "Trondheim", "Nagoya", "Ibadan", "Winnipeg", "Graz", "Cusco");
  private static final List<String> THINGS =
      List.of("a desk lamp", "two garden chairs", "a coffee grinder", "a bicycle pump");
  private static final List<String> TOPICS =
      List.of("rain", "trains", "bread", "lighthouses", "chess", "volcanoes", "bees");

  /** Which rows' answers repeat their prompts. */
  private enum Answers {
    COPIED("facts of the prompt"),
    FREE("free text"),
    MIXED("every second row facts");

    private final String text;

    Answers(String text) {
      this.text = text;
    }

    boolean copied(int row) {
      return this == COPIED || this == MIXED && row % 2 == 0;
    }
  }

  private final LoadedEngine auto;
  private final LoadedEngine off;
  private final List<List<String>> rows = new ArrayList<>();

  private SpeculationBench(LoadedEngine auto, LoadedEngine off) {
    this.auto = auto;
    this.off = off;
  }

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException("SpeculationBench MODEL.gguf RESULTS_FOLDER [threads]");
    }
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cpu", args.length > 2 ? Integer.parseInt(args[2]) : 0))
            .withBatchCap(BATCHES[BATCHES.length - 1])
            .withContextTokens(1024);
    Path model = Path.of(args[0]);
    try (LoadedEngine auto = LoadedEngine.load(model, config.withSpeculation("auto"));
        LoadedEngine off = LoadedEngine.load(model, config.withSpeculation("off"))) {
      new SpeculationBench(auto, off).run(Path.of(args[1]), args.length > 2 ? " " + args[2] : "");
    }
  }

  private void run(Path folder, String threads) throws IOException {
    SamplingParams greedy = SamplingParams.greedy(TOKENS);
    List<GenerationRequest> warmUp = requests(8, Answers.COPIED, greedy);
    auto.run(warmUp);
    off.run(warmUp);
    for (int batch : BATCHES) {
      measure(Answers.COPIED, batch, greedy);
      measure(Answers.FREE, batch, greedy);
    }
    measure(Answers.MIXED, BATCHES[BATCHES.length - 1], greedy);
    System.out.println(
        BenchmarkResult.here(
                "speculation",
                "benchmarks/run.sh SpeculationBench MODEL.gguf benchmarks/results" + threads,
                List.of(),
                List.of(table()))
            .write(folder));
  }

  private record Run(double tokensPerSecond, double drafted, double accepted, List<String> texts) {}

  private void measure(Answers answers, int batch, SamplingParams params) {
    List<GenerationRequest> requests = requests(Math.max(LEAST_ROWS, batch), answers, params);
    List<Run> with = new ArrayList<>();
    List<Run> without = new ArrayList<>();
    int turns = batch == 1 ? TURNS_ALONE : TURNS;
    for (int turn = 0; turn < turns; turn++) {
      // Whoever is first finds other caches and clocks.
      boolean offFirst = turn % 2 == 0;
      if (offFirst) {
        without.add(run(off, requests, batch));
      }
      with.add(run(auto, requests, batch));
      if (!offFirst) {
        without.add(run(off, requests, batch));
      }
      if (!with.get(turn).texts().equals(without.get(0).texts())) {
        throw new IllegalStateException(answers.text + ": an answer differs with drafts");
      }
    }
    double fast = speed(with);
    double plain = speed(without);
    double[] ratios =
        IntStream.range(0, turns)
            .mapToDouble(i -> with.get(i).tokensPerSecond() / without.get(i).tokensPerSecond())
            .toArray();
    Run last = with.get(turns - 1);
    rows.add(
        Arrays.asList(
            answers.text,
            "%d".formatted(batch),
            format(plain, 0),
            format(fast, 0),
            format(Median.of(ratios), 2),
            format(last.drafted(), 2),
            last.drafted() == 0 ? "-" : format(100 * last.accepted() / last.drafted(), 0),
            each(without),
            each(with)));
    System.out.println(String.join(" | ", rows.get(rows.size() - 1)));
  }

  /** At most {@code batch} rows at a time. */
  private static Run run(LoadedEngine loaded, List<GenerationRequest> requests, int batch) {
    EngineMetrics before = loaded.engine().metrics();
    long start = System.nanoTime();
    List<GenerationResult> results = new ArrayList<>();
    for (int i = 0; i < requests.size(); i += batch) {
      results.addAll(loaded.run(requests.subList(i, Math.min(requests.size(), i + batch))));
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    EngineMetrics after = loaded.engine().metrics();
    double tokens = after.outputTokens() - before.outputTokens();
    return new Run(
        tokens / seconds,
        (after.draftedTokens() - before.draftedTokens()) / tokens,
        (after.acceptedTokens() - before.acceptedTokens()) / tokens,
        results.stream().map(r -> r.text() + Arrays.toString(r.tokens())).toList());
  }

  private List<GenerationRequest> requests(int count, Answers answers, SamplingParams params) {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String rendered =
          "<|im_start|>user\n"
              + (answers.copied(i) ? copying(i) : telling(i))
              + "<|im_end|>\n<|im_start|>assistant\n";
      requests.add(GenerationRequest.generate(auto.tokenizer().encodePrompt(rendered), params));
    }
    return requests;
  }

  private static String copying(int i) {
    return ("List the facts of this note, one a line:\n\nOrder %d was placed by %s from %s"
            + " on %d May. It is for %s and %s, paid by card, %d.50 euros in all. The parcel went"
            + " through %s and was handed to a neighbour on %d May. %s asks for a new invoice with"
            + " the address of the office in %s.")
        .formatted(
            4711 + 37 * i,
            pick(NAMES, i),
            pick(CITIES, i),
            1 + i % 9,
            pick(THINGS, i),
            pick(THINGS, i + 1),
            40 + 7 * i,
            pick(CITIES, i + 2),
            11 + i % 9,
            pick(NAMES, i),
            pick(CITIES, i + 4));
  }

  private static String telling(int i) {
    return "Write a short story for children about %s in %s, set in the year %d."
        .formatted(pick(TOPICS, i), pick(CITIES, i), 1900 + 13 * i);
  }

  private static String pick(List<String> list, int i) {
    return list.get(i % list.size());
  }

  private static double speed(List<Run> runs) {
    return Median.of(runs.stream().mapToDouble(Run::tokensPerSecond).toArray());
  }

  private static String each(List<Run> runs) {
    return runs.stream()
        .map(run -> format(run.tokensPerSecond(), 0))
        .collect(Collectors.joining(", "));
  }

  private static String format(double value, int digits) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  private BenchmarkResult.Table table() {
    return new BenchmarkResult.Table(
        "Guessing how answers go on: SmolLM2 135M Q4_1",
        "Answers of at most 48 tokens with spark.sailfish.engine.speculation auto and off, by turns, greedy;"
            + " medians, of auto / off that of each turn's. Prompts are part of the time. Every answer is the same in both. Drafted:"
            + " for each token of the answers.",
        List.of(
            "answers",
            "rows at a time",
            "tokens/s off",
            "tokens/s auto",
            "auto / off",
            "drafted a token",
            "of them right %",
            "off, each turn",
            "auto, each turn"),
        rows);
  }
}
