package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.bench.Median;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.format.TwoByteFloat;
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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What guessing how answers go on gains on a card: 8B shapes, the same requests through engines
 * with {@code speculation} off, auto and on, by turns. The model's layers take their time and
 * change next to nothing, so that a token follows from the one before it: prompts that contain how
 * the model goes on, some tokens replaced, have answers that copy them, and prompts of random
 * tokens have answers that repeat nothing. An answer that differs makes the program fail.
 *
 * <p>Options: {@code --seconds N} (no turn begins that might end later, 45), {@code --turns N} (at
 * most, 3), {@code --commit ID}, {@code --results FOLDER}.
 */
public final class GpuSpeculationBench {
  private static final int CONTEXT = 512;
  private static final int MOST_ROWS = 256;
  private static final int ANSWER = 128;

  /** Tokens of a prompt that show how the model goes on, and of those before its answer. */
  private static final int SHOWN = 160;

  private static final int BEGUN = 3;

  /** Of the shown tokens one in so many is another. */
  private static final int REPLACED = 14;

  private static final List<String> MODES = List.of("off", "auto", "on");

  /** Answers of rows by their number: copies, not, or in turns. */
  private enum Kind {
    COPIED("copy the prompt"),
    OTHER("repeat nothing"),
    MIXED("copy in every second row");

    private final String answers;

    Kind(String answers) {
      this.answers = answers;
    }

    boolean copies(int row) {
      return this == COPIED || this == MIXED && row % 2 == 0;
    }
  }

  /**
   * @param runs how often so many rows run, one after the other
   */
  private record Case(Kind kind, int rows, int runs) {}

  private static final List<Case> CASES =
      List.of(
          new Case(Kind.COPIED, 1, 2),
          new Case(Kind.OTHER, 1, 2),
          new Case(Kind.COPIED, 16, 1),
          new Case(Kind.OTHER, 16, 1),
          new Case(Kind.MIXED, 16, 1),
          new Case(Kind.COPIED, 32, 1),
          new Case(Kind.OTHER, 32, 1),
          new Case(Kind.MIXED, 32, 1));

  /** Too many rows for guesses, as long as all of them run: measured once. */
  private static final List<Case> LARGE =
      List.of(new Case(Kind.COPIED, MOST_ROWS, 1), new Case(Kind.OTHER, MOST_ROWS, 1));

  private record Run(double tokensPerSecond, double stepsPerToken, double drafted, double right) {}

  private final Options options;
  private final ModelConfig model = StepModel.LLAMA_8B;
  private final Map<String, Engine> engines = new LinkedHashMap<>();
  private final Map<Case, Map<String, List<Run>>> runs = new LinkedHashMap<>();
  private final Map<Case, List<int[]>> expected = new LinkedHashMap<>();
  private final List<int[]> goesOn = new ArrayList<>();

  /** Seeds of prompts: first those whose answers copy. */
  private final List<Integer> seeds = new ArrayList<>();

  private int copying;
  private boolean failed;

  private GpuSpeculationBench(Options options) {
    this.options = options;
  }

  public static void main(String[] args) throws IOException {
    CardProgram.requireCard("measured");
    GpuSpeculationBench bench = new GpuSpeculationBench(new Options(args));
    bench.run();
    System.exit(bench.failed ? 1 : 0);
  }

  private void run() throws IOException {
    long start = System.nanoTime();
    try {
      for (String mode : MODES) {
        CudaBackend backend =
            CudaBackend.open(new BackendRequest("cuda", 0, "0", 0.3, TwoByteFloat.F16));
        engines.put(mode, start(mode, backend));
      }
      System.out.printf("engines started at %.1f s%n", seconds(start));
      learnHowItGoesOn();
      putThoseThatCopyFirst();
      System.out.printf("prompts made at %.1f s%n", seconds(start));
      measure(start);
    } finally {
      engines.values().forEach(Engine::close);
    }
    if (failed) {
      System.out.println("nothing written: the table says that every answer is the same");
      return;
    }
    new CardProgram(GpuSpeculationBench.class, "gpu-speculation", options)
        .write(List.of(), List.of(table()));
  }

  private Engine start(String mode, CudaBackend backend) {
    long blocks = MOST_ROWS * (SHOWN + BEGUN + ANSWER + 32) / 16;
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cuda", 0))
            .withBatchCap(MOST_ROWS)
            .withContextTokens(CONTEXT)
            .withKvBytes(blocks * backend.kvBlockBytes(model.layers(), 16, model.attention()))
            .withPrefixReuse(false) // the same prompts come again
            .withSpeculation(mode);
    LlamaEngine.Loaded loaded =
        new LlamaEngine.Loaded(
            model, StepModel.quietWeights(model, backend), "random weights, 8B shapes", Set.of());
    return LlamaEngine.start(loaded, backend, new IdTokenizer(), config);
  }

  /** A row each of as many tokens as a prompt shows and an answer has. */
  private void learnHowItGoesOn() {
    Random random = new Random(3);
    List<GenerationRequest> requests = new ArrayList<>();
    for (int row = 0; row < MOST_ROWS; row++) {
      int[] first = random.ints(BEGUN, 0, model.vocabulary()).toArray();
      requests.add(GenerationRequest.generate(first, SamplingParams.greedy(SHOWN)));
    }
    List<int[]> tokens = submit(engines.get("off"), requests);
    tokens.forEach(goesOn::add);
    long distinct = tokens.stream().flatMapToInt(Arrays::stream).distinct().count();
    System.out.printf("%d distinct tokens among %d%n", distinct, (long) MOST_ROWS * SHOWN);
    failed |= distinct < 1000;
  }

  /** A longer context moves some answers to another token, and from there on they copy nothing. */
  private void putThoseThatCopyFirst() {
    for (int seed = 0; seed < MOST_ROWS; seed++) {
      seeds.add(seed);
    }
    Case all = new Case(Kind.COPIED, MOST_ROWS, 1);
    List<int[]> answers = submit(engines.get("off"), requests(all, 0));
    Map<Boolean, List<Integer>> byCopying =
        seeds.stream()
            .collect(
                Collectors.partitioningBy(seed -> copies(answers.get(seed), goesOn.get(seed))));
    seeds.clear();
    seeds.addAll(byCopying.get(true));
    copying = seeds.size();
    System.out.printf("%d of %d answers copy%n", copying, MOST_ROWS);
    int most = CASES.stream().mapToInt(c -> c.rows() * c.runs()).max().orElseThrow();
    failed |= copying < most;
    seeds.addAll(byCopying.get(false));
  }

  private static boolean copies(int[] answer, int[] shown) {
    return IntStream.range(0, ANSWER).filter(i -> answer[i] == shown[BEGUN + i]).count()
        >= ANSWER * 3 / 4;
  }

  private void measure(long start) {
    List<Case> large = new ArrayList<>(CASES);
    large.addAll(LARGE);
    double longest = 0;
    for (int turn = 0; turn < options.number("turns", 3); turn++) {
      double began = seconds(start);
      if (turn > 0 && began + longest > options.number("seconds", 45)) {
        break;
      }
      for (Case c : turn == 1 ? large : CASES) {
        for (String mode : MODES) {
          if (c.rows() < MOST_ROWS || !mode.equals("on")) {
            measure(c, mode);
          }
        }
      }
      longest = Math.max(longest, seconds(start) - began);
      System.out.printf("turn %d ended at %.1f s%n", turn, seconds(start));
    }
  }

  private void measure(Case c, String mode) {
    Engine engine = engines.get(mode);
    EngineMetrics before = engine.metrics();
    List<int[]> answers = new ArrayList<>();
    long start = System.nanoTime();
    for (int run = 0; run < c.runs(); run++) {
      answers.addAll(submit(engine, requests(c, run)));
    }
    double seconds = seconds(start);
    EngineMetrics after = engine.metrics();
    double prompts = (after.prefillNanos() - before.prefillNanos()) / 1e9;
    double tokens = after.outputTokens() - before.outputTokens();
    double drafted = after.draftedTokens() - before.draftedTokens();
    Run run =
        new Run(
            tokens / (seconds - prompts),
            (after.steps() - before.steps()) * c.rows() / tokens,
            drafted / tokens,
            drafted == 0 ? 0 : (after.acceptedTokens() - before.acceptedTokens()) / drafted);
    runs.computeIfAbsent(c, key -> new LinkedHashMap<>())
        .computeIfAbsent(mode, key -> new ArrayList<>())
        .add(run);
    List<int[]> first = expected.computeIfAbsent(c, key -> answers);
    long differ = 0;
    for (int i = 0; i < answers.size(); i++) {
      differ += Arrays.equals(first.get(i), answers.get(i)) ? 0 : 1;
    }
    failed |= differ > 0;
    System.out.printf(
        Locale.ROOT,
        "%s, %d rows, %s: %.0f tokens/s, %.2f s with prompts, %d answers differ%n",
        c.kind().answers,
        c.rows(),
        mode,
        run.tokensPerSecond(),
        seconds,
        differ);
  }

  private List<GenerationRequest> requests(Case c, int run) {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int row = run * c.rows(); row < (run + 1) * c.rows(); row++) {
      int[] prompt = prompt(row, c.kind().copies(row));
      requests.add(GenerationRequest.generate(prompt, SamplingParams.greedy(ANSWER)));
    }
    return requests;
  }

  private int[] prompt(int row, boolean copies) {
    int seed = seeds.get(row);
    Random random = new Random(seed);
    int[] prompt = random.ints(SHOWN + BEGUN, 0, model.vocabulary()).toArray();
    for (int i = 0; copies && i < SHOWN; i++) {
      prompt[i] = random.nextInt(REPLACED) == 0 ? prompt[i] : goesOn.get(seed)[i];
    }
    if (copies) {
      System.arraycopy(goesOn.get(seed), 0, prompt, SHOWN, BEGUN);
    }
    return prompt;
  }

  private static List<int[]> submit(Engine engine, List<GenerationRequest> requests) {
    List<Ticket> tickets = requests.stream().map(engine::submit).toList();
    return tickets.stream().map(Ticket::join).map(GenerationResult::tokens).toList();
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  private BenchmarkResult.Table table() {
    List<List<String>> rows = new ArrayList<>();
    runs.forEach((c, modes) -> rows.add(row(c, modes)));
    return new BenchmarkResult.Table(
        "Guessing how answers go on, on a card: 8B shapes, w4a16 g128",
        "Answers of %d tokens to prompts of %d, all rows submitted at once, by turns; medians. Tokens a second without the time of prompts. Layers of random weights that change next to nothing, so that a token follows from the one before it; %d of %d answers copy three quarters of what their prompts show, and rows that copy are of those (of 256 all). Every answer is the same in all. Steps: as often as the card ran, for each token of a row."
            .formatted(ANSWER, SHOWN + BEGUN, copying, MOST_ROWS),
        List.of(
            "answers",
            "rows",
            "tokens/s off",
            "auto",
            "on",
            "auto / off",
            "on / off",
            "auto: guessed a token",
            "of them right %",
            "steps a token",
            "off, each turn",
            "auto, each turn",
            "on, each turn"),
        rows);
  }

  private static List<String> row(Case c, Map<String, List<Run>> modes) {
    double off = speed(modes.get("off"));
    double auto = speed(modes.get("auto"));
    double on = modes.containsKey("on") ? speed(modes.get("on")) : 0;
    List<Run> last = modes.get("auto");
    Run run = last.get(last.size() - 1);
    return List.of(
        c.kind().answers,
        Integer.toString(c.rows()),
        format(off, 0),
        format(auto, 0),
        on == 0 ? "-" : format(on, 0),
        format(auto / off, 3),
        on == 0 ? "-" : format(on / off, 3),
        format(run.drafted(), 2),
        run.drafted() == 0 ? "-" : format(100 * run.right(), 0),
        format(run.stepsPerToken(), 2),
        each(modes.get("off")),
        each(modes.get("auto")),
        each(modes.getOrDefault("on", List.of())));
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
}
