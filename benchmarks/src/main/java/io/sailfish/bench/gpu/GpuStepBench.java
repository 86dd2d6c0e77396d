package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.MemoryProbe;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Steps of Llama shapes on a card with random weights: prompts of 512 tokens, then decode steps at
 * contexts 512 to 640 with greedy tokens fed back on the card, one graph a step. Before anything is
 * timed, a row's logits are held bit for bit against those it has in other batches.
 *
 * <p>Options: {@code --only 8b|1b}, {@code --prompts N} (prompts of the prefill figure, 256),
 * {@code --parts 16,256} (only the parts of such steps), {@code --explain N} (rows of the step that
 * is explained, 16), {@code --repeats N} (of the first layers' bits, 6), {@code --commit ID},
 * {@code --results FOLDER}.
 */
public final class GpuStepBench {
  private static final int[] ROWS = {1, 16, 32, 64, 128, 256};
  private static final int STEPS = 126;
  private static final int RUNS = 3;
  private static final long CEILING_BYTES = 8L << 30;

  private final Options options;
  private final List<BenchmarkResult.Figure> figures = new ArrayList<>();
  private final List<BenchmarkResult.Table> tables = new ArrayList<>();
  private double prefillMicros;
  private boolean failed;

  private GpuStepBench(Options options) {
    this.options = options;
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    CardProgram.requireCard("measured");
    GpuStepBench bench = new GpuStepBench(options);
    for (ModelConfig config : List.of(StepModel.LLAMA_8B, StepModel.LLAMA_1B)) {
      if (config.name().contains(options.text("only", ""))) {
        try (CudaBackend backend = CudaBackend.open(0)) {
          bench.run(config, backend);
        }
      }
    }
    if (bench.failed) {
      System.out.println("nothing written: figures of wrong bits are none");
      System.exit(1);
    }
    new CardProgram(GpuStepBench.class, "gpu-step", options).write(bench.figures, bench.tables);
    System.exit(0);
  }

  private void run(ModelConfig config, CudaBackend backend) {
    double ceiling = ceiling(backend.stream());
    System.out.printf("%s, read ceiling %.2f TB/s%n", config.name(), ceiling / 1e12);
    long begin = System.nanoTime();
    StepModel model = new StepModel(config, backend);
    backend.stream().synchronize();
    System.out.printf("weights and buffers in %.2f s%n", (System.nanoTime() - begin) / 1e9);
    prefill(model);
    if (options.has("parts")) {
      for (String rows : options.text("parts", "").split(",")) {
        System.out.println(rows + " rows");
        new StepParts(model, Integer.parseInt(rows), ceiling).decode(StepModel.PROMPT + 64);
      }
      return;
    }
    sameBits(model);
    sameEachTime(model);
    for (int rows : ROWS) {
      decode(model, rows);
    }
    distinctTokens(model);
    explain(model, ceiling);
  }

  private double ceiling(CudaStream stream) {
    try (DeviceBuffer memory = stream.device().memory().allocate(CEILING_BYTES, "read ceiling");
        DeviceBuffer sink = stream.device().memory().allocate(4, "sink")) {
      MemoryProbe.fill(stream, memory.address(), memory.bytes(), 1);
      return ReadCeiling.measure(stream, memory, sink);
    }
  }

  /** Fills the cache of all sequences on the way. */
  private void prefill(StepModel model) {
    int each = StepModel.PROMPT_ROWS / StepModel.PROMPT;
    int prompts = (int) options.number("prompts", StepModel.MAX_SEQUENCES);
    model.prefill(0);
    model.prefill(each);
    model.backend.stream().synchronize();
    long start = System.nanoTime();
    for (int first = 0; first < prompts; first += each) {
      model.prefill(first);
    }
    model.backend.stream().synchronize();
    double seconds = (System.nanoTime() - start) / 1e9;
    double rate = (double) prompts * StepModel.PROMPT / seconds;
    prefillMicros = seconds * 1e6 * each / prompts;
    System.out.printf("prefill %.0f tokens/s (%d prompts of 512)%n", rate, prompts);
    if (model.config == StepModel.LLAMA_8B) {
      figures.add(new BenchmarkResult.Figure("engine.8b.prefill.tok_s", Math.rint(rate), null));
    }
  }

  /** Logits of row 0 among 1, 16, 24, 48, 64, 128 and 256 rows. */
  private void sameBits(StepModel model) {
    int vocabulary = model.config.vocabulary();
    int[] alone = null;
    for (int rows : new int[] {1, 16, 24, 48, 64, 128, 256}) {
      model.place(rows, StepModel.PROMPT);
      Tensor logits = model.model.decode(model.step, rows);
      float[] values = new float[vocabulary];
      model.backend.read(logits, 0, values, 0, vocabulary);
      int[] bits = new int[vocabulary];
      Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
      if (alone == null) {
        alone = bits;
        double squares = 0;
        for (float value : values) {
          squares += (double) value * value;
        }
        System.out.printf("logits: rms %.3f%n", Math.sqrt(squares / vocabulary));
        failed |= !(squares > 0) || Double.isInfinite(squares);
      }
      long differing = 0;
      for (int i = 0; i < vocabulary; i++) {
        differing += bits[i] == alone[i] ? 0 : 1;
      }
      System.out.printf("row 0 among %d rows: %d of its logits differ%n", rows, differing);
      failed |= differing > 0;
    }
  }

  private void sameEachTime(StepModel model) {
    int repeats = (int) options.number("repeats", 6);
    Map<String, float[]> alone = null;
    for (int rows : new int[] {1, 16, 32, 64, 128}) {
      StepRepeats step = new StepRepeats(model, rows);
      Map<String, float[]> rowZero = step.rowZero();
      alone = alone == null ? rowZero : alone;
      String difference = StepRepeats.firstDifference(alone, rowZero);
      if (difference != null) {
        System.out.printf("row 0 among %d rows: %s%n", rows, difference);
        failed = true;
      }
      List<String> differing = step.differing(repeats);
      differing.stream().limit(8).forEach(System.out::println);
      System.out.printf("%d rows %d times: %d differ%n", rows, repeats, differing.size());
      failed |= !differing.isEmpty();
    }
  }

  private void decode(StepModel model, int rows) {
    CudaStream stream = model.backend.stream();
    model.place(rows, StepModel.PROMPT);
    long begin = System.nanoTime();
    model.decode(rows);
    model.decode(rows); // records
    stream.synchronize();
    double recording = (System.nanoTime() - begin) / 1e6;
    model.place(rows, StepModel.PROMPT);
    List<Double> runs = new ArrayList<>();
    double total = 0;
    Runnable steps =
        () -> {
          for (int i = 0; i < STEPS / RUNS; i++) {
            model.decode(rows);
          }
        };
    for (double micros : CardTime.each(stream, 0, RUNS, steps)) {
      double ms = micros / 1000 / (STEPS / RUNS);
      runs.add(rounded(ms));
      total += ms / RUNS;
    }
    System.out.printf(
        "%s, %d rows: %.3f ms a step %s (first two steps %.0f ms)%n",
        model.config.name(), rows, total, runs, recording);
    String id = "engine.%s.step.rows%d.ms".formatted(model.config.name(), rows);
    boolean wanted = model.config == StepModel.LLAMA_8B || rows == 16 || rows == 32 || rows == 256;
    if (wanted) {
      figures.add(new BenchmarkResult.Figure(id, rounded(total), runs));
    }
  }

  private static double rounded(double ms) {
    return Math.rint(ms * 1000) / 1000;
  }

  /** Random weights must not make every row say the same. */
  private void distinctTokens(StepModel model) {
    Set<Integer> seen = new HashSet<>();
    model.place(StepModel.MAX_SEQUENCES, StepModel.PROMPT);
    int steps = 8;
    for (int i = 0; i < steps; i++) {
      model.decode(StepModel.MAX_SEQUENCES);
      for (int id : model.chosen(StepModel.MAX_SEQUENCES)) {
        seen.add(id);
      }
    }
    System.out.printf(
        "%d distinct tokens among %d%n", seen.size(), steps * StepModel.MAX_SEQUENCES);
    failed |= seen.size() < 1000 || seen.contains(-1);
  }

  private void explain(StepModel model, double ceiling) {
    String name = model.config.name();
    int rows = (int) options.number("explain", 16);
    String id = "engine.%s.step.rows%d.ms".formatted(name, rows);
    double step =
        figures.stream().filter(f -> f.id().equals(id)).findFirst().orElseThrow().value() * 1000;
    StepParts decode = new StepParts(model, rows, ceiling);
    table(
        "A decode step of %d rows, Llama %s shapes, w4a16 g128".formatted(rows, name),
        "Context 576",
        decode.decode(StepModel.PROMPT + 64),
        new double[] {decode.sumMicros(), decode.floorMicros(), step, ceiling});
    StepParts prompts = new StepParts(model, StepModel.PROMPT_ROWS, ceiling);
    table(
        "A step of 8 prompts of 512 tokens, Llama %s shapes, w4a16 g128".formatted(name),
        "Products at 800 TFLOP/s",
        prompts.prompts(),
        new double[] {prompts.sumMicros(), prompts.floorMicros(), prefillMicros, ceiling});
  }

  /**
   * @param numbers sum of the parts, their floor and the whole step in us, read ceiling in bytes/s
   */
  private void table(String title, String what, List<List<String>> rows, double[] numbers) {
    String note =
        String.format(
            Locale.ROOT,
            "%s. Sum of the parts %.0f µs, floor %.0f µs, the whole step %.0f µs: %.0f µs are %s"
                + " between the kernels. Each part was timed by itself, in a graph of the layers,"
                + " where its weights wait for none but itself; the last column is what a whole"
                + " step is shorter by without it. Read ceiling %.2f TB/s.",
            what,
            numbers[0],
            numbers[1],
            numbers[2],
            Math.abs(numbers[0] - numbers[2]),
            numbers[0] > numbers[2] ? "gained by starting early" : "lost",
            numbers[3] / 1e12);
    System.out.println(note);
    List<String> columns =
        List.of(
            "kernel",
            "a step",
            "µs each",
            "µs a step",
            "floor µs a step",
            "share",
            "the step without it, µs less");
    tables.add(new BenchmarkResult.Table(title, note, columns, rows));
  }
}
