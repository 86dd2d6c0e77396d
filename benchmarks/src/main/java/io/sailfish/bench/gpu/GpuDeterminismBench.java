package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Whether a row's answer depends on anything but the row, at Llama 8B shapes: the same requests
 * through engines with other batch caps, prompt rows a step, orders, cache sizes and companions,
 * and on two engines at once; before that, logits of decode steps and prompts, bit for bit, with
 * many repeats ({@link StepBits}). Whatever differs from the first run is counted and printed.
 *
 * <p>Options: {@code --rounds N} (how often the list of engines is gone through, 1), {@code
 * --repeats N} (of the steps, 10), {@code --steps 48,64} (their rows), {@code --only WORD} (of the
 * engine's name), {@code --with FILES} (results of DeterminismBench on a card and of
 * GpuClusterBench, whose rows are added), {@code --commit ID}, {@code --results FOLDER}.
 */
public final class GpuDeterminismBench {
  private static final int CONTEXT = 768;
  private static final int PRINTED = 6;
  private static final String DIFFERING = "differing rows";

  /**
   * One way to run the requests.
   *
   * @param prefill prompt rows a step
   * @param order seed of the order of submission, 0 = as they are
   * @param kvTokens tokens that the cache holds, 0 = as many as there is room for
   * @param rows how many of the requests
   * @param engines among which they are dealt out
   */
  private record Variant(
      String name,
      int cap,
      int prefill,
      boolean reuse,
      int order,
      int kvTokens,
      int rows,
      int engines) {}

  private static final List<Variant> VARIANTS =
      List.of(
          new Variant("cap 256", 256, 4096, true, 0, 0, 640, 1),
          new Variant("cap 256 again", 256, 4096, true, 0, 0, 640, 1),
          new Variant("cap 256, shuffled, no reuse", 256, 4096, false, 1, 0, 640, 1),
          new Variant("cap 256, prompts by 64", 256, 64, true, 2, 0, 256, 1),
          new Variant("cap 256, prompts by 192", 256, 192, false, 3, 0, 640, 1),
          new Variant("cap 256, prompts by 512", 256, 512, false, 4, 0, 640, 1),
          new Variant("cap 100, prompts by 1024", 100, 1024, true, 5, 0, 640, 1),
          new Variant("cap 64", 64, 4096, true, 6, 0, 640, 1),
          new Variant("cap 64, prompts by 256", 64, 256, false, 7, 0, 640, 1),
          new Variant("cap 32, shuffled", 32, 512, true, 8, 0, 640, 1),
          new Variant("cap 16, prompts by 64", 16, 64, true, 9, 0, 256, 1),
          new Variant("cap 7", 7, 512, false, 10, 0, 256, 1),
          new Variant("cap 1", 1, 256, true, 11, 0, 64, 1),
          new Variant("cap 256, little cache", 256, 4096, true, 12, 16384, 640, 1),
          new Variant("cap 100, tiny cache, no reuse", 100, 512, false, 13, 4096, 400, 1),
          new Variant("cap 32, tiny cache", 32, 4096, true, 14, 1024, 256, 1),
          new Variant("two engines", 256, 4096, true, 15, 0, 640, 2));

  private final Options options;
  private final ModelConfig model = StepModel.LLAMA_8B;
  private final List<GenerationRequest> requests;
  private final int[][] expected;
  private final List<List<String>> table = new ArrayList<>();
  private int differing;

  private GpuDeterminismBench(Options options) {
    this.options = options;
    this.requests = SeededRequests.mixed(640, model.vocabulary());
    this.expected = new int[requests.size()][];
  }

  public static void main(String[] args) throws IOException {
    CardProgram.requireCard("measured");
    GpuDeterminismBench bench = new GpuDeterminismBench(new Options(args));
    bench.run(args);
    System.exit(bench.differing > 0 ? 1 : 0);
  }

  private void run(String[] args) throws IOException {
    try (CudaBackend backend = CudaBackend.open(0)) {
      steps(backend);
    }
    for (int round = 0; round < options.number("rounds", 1); round++) {
      for (Variant variant : VARIANTS) {
        if (variant == VARIANTS.get(0) || variant.name().contains(options.text("only", ""))) {
          compare(variant);
        }
      }
    }
    if (options.has("with")) {
      for (String file : options.text("with", "").split(",")) {
        include(BenchmarkResult.read(Path.of(file)));
      }
    }
    System.out.println(differing + " rows differ");
    write();
  }

  private void steps(CudaBackend backend) {
    StepBits bits =
        new StepBits(new StepModel(model, backend), options.text("steps", StepBits.ROWS));
    int repeats = (int) options.number("repeats", 10);
    long rows = bits.run(repeats);
    differing += bits.differing();
    row("steps, queued and recorded, rows of logits", rows, bits.differing(), 0, 0);
  }

  /** Rows that another program compared: SmolLM2's, those of a Spark job on two executors. */
  private void include(BenchmarkResult result) {
    for (BenchmarkResult.Table other : result.tables()) {
      int rows = other.columns().indexOf("rows");
      int differs = other.columns().indexOf(DIFFERING);
      if (differs < 0) {
        throw new IllegalArgumentException(
            "%s: no column \"%s\" in \"%s\""
                .formatted(result.benchmark(), DIFFERING, other.title()));
      }
      int wrong = other.rows().stream().mapToInt(row -> Integer.parseInt(row.get(differs))).sum();
      differing += wrong;
      String name =
          "%s, %s, commit %s".formatted(result.benchmark(), result.date(), result.commit());
      row(
          name,
          other.rows().stream().mapToLong(row -> Long.parseLong(row.get(rows))).sum(),
          wrong,
          0,
          0);
    }
  }

  private void row(String name, long rows, int differs, long putBack, long reused) {
    table.add(
        List.of(
            name,
            Long.toString(rows),
            Integer.toString(differs),
            Long.toString(putBack),
            Long.toString(reused)));
    System.out.println(String.join(" | ", table.get(table.size() - 1)));
  }

  private void compare(Variant variant) {
    List<Integer> order = new ArrayList<>(IntStream.range(0, variant.rows()).boxed().toList());
    if (variant.order() != 0) {
      Collections.shuffle(order, new Random(variant.order()));
    }
    List<Engine> engines = new ArrayList<>();
    try {
      for (int i = 0; i < variant.engines(); i++) {
        engines.add(start(variant, i));
      }
      List<Ticket> tickets = new ArrayList<>();
      for (int i = 0; i < order.size(); i++) {
        tickets.add(engines.get(i % engines.size()).submit(requests.get(order.get(i))));
      }
      int differs = 0;
      for (int i = 0; i < order.size(); i++) {
        boolean print = differs < PRINTED;
        differs += same(variant, i, order.get(i), tickets.get(i).join(), print) ? 0 : 1;
      }
      differing += differs;
      row(
          variant.name(),
          order.size(),
          differs,
          engines.stream().mapToLong(e -> e.metrics().preemptions()).sum(),
          engines.stream().mapToLong(e -> e.metrics().reusedTokens()).sum());
    } finally {
      engines.forEach(Engine::close);
    }
  }

  private boolean same(
      Variant variant, int place, int request, GenerationResult result, boolean print) {
    int[] tokens = result.tokens();
    if (expected[request] == null) {
      expected[request] = tokens;
    }
    int at = Arrays.mismatch(expected[request], tokens);
    if (at >= 0 && print) {
      System.out.printf(
          "%s: request %d, submitted as number %d, prompt of %d: token %d of %d differs%n",
          variant.name(), request, place, requests.get(request).prompt().length, at, tokens.length);
    }
    return at < 0;
  }

  /** Two engines have a card each where there are two, else half of one. */
  private Engine start(Variant variant, int number) {
    int cards = CudaDevice.count();
    double fraction = variant.engines() > cards ? 0.45 : BackendRequest.MEMORY_FRACTION;
    String card = Integer.toString(number % cards);
    CudaBackend backend =
        CudaBackend.open(new BackendRequest("cuda", 0, card, fraction, TwoByteFloat.F16));
    LlamaEngine.Loaded loaded =
        new LlamaEngine.Loaded(
            model, StepModel.weights(model, backend), "random weights", Set.of());
    long kvBytes =
        variant.kvTokens() / 16L * backend.kvBlockBytes(model.layers(), 16, model.attention());
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cuda", 0))
            .withBatchCap(variant.cap())
            .withKvBytes(kvBytes)
            .withContextTokens(CONTEXT)
            .withPrefillChunk(variant.prefill())
            .withPrefixReuse(variant.reuse());
    return LlamaEngine.start(loaded, backend, new IdTokenizer(), config);
  }

  private void write() throws IOException {
    BenchmarkResult.Table rows =
        new BenchmarkResult.Table(
            "Same answer always: 8B shapes on a card",
            "The same requests (random ids, prompts of 20 to 600, answers of 8 to 160, half greedy, half sampled) through"
                + " engines set up differently; rows of which any token differs from the first run."
                + " First line: logits of decode steps of 1 to 256 rows and of prompts, bit for bit.",
            List.of("engine", "rows", DIFFERING, "rows put back", "prompt tokens reused"),
            table);
    new CardProgram(GpuDeterminismBench.class, "gpu-determinism-8b", options)
        .write(
            List.of(new BenchmarkResult.Figure("determinism.gpu.differing_rows", differing, null)),
            List.of(rows));
  }
}
