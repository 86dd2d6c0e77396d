package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Steps of Llama 8B shapes with the matrices of all layers on the host, beside the same weights on
 * the card: their logits and chosen tokens bit for bit, then the time of a step and how fast the
 * weights come.
 *
 * <p>Options: {@code --commit ID}, {@code --results FOLDER}.
 */
public final class GpuStreamBench {
  private static final int[] ROWS = {1, 32, 256};
  private static final int STEPS = 6;

  private final List<List<String>> table = new ArrayList<>();
  private boolean failed;

  private GpuStreamBench() {}

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    CardProgram.requireCard("measured");
    ModelConfig config = StepModel.LLAMA_8B;
    GpuStreamBench bench = new GpuStreamBench();
    try (CudaBackend card = CudaBackend.open(0);
        CudaBackend host = CudaBackend.open(0)) {
      long begin = System.nanoTime();
      StepModel streamed = StepModel.streamed(config, host);
      System.out.printf("weights on the host in %.2f s%n", (System.nanoTime() - begin) / 1e9);
      System.out.println(host.describe());
      StepModel resident = new StepModel(config, card);
      bench.sameBits(resident, streamed);
      bench.steps(resident, streamed);
      bench.prompts(resident, streamed);
      if (bench.failed) {
        System.out.println("nothing written: figures of wrong bits are none");
        System.exit(1);
      }
      bench.write(options, host);
    }
    System.exit(0);
  }

  private void sameBits(StepModel resident, StepModel streamed) {
    for (int first : new int[] {0, 8}) {
      same("prompts", logits(resident, resident.prefill(first)), streamed.prefill(first), streamed);
    }
    for (int rows : new int[] {1, 48, 256}) {
      resident.place(rows, StepModel.PROMPT);
      streamed.place(rows, StepModel.PROMPT);
      float[] expected = logits(resident, resident.model.decode(resident.step, rows));
      same(rows + " rows", expected, streamed.model.decode(streamed.step, rows), streamed);
      for (int step = 0; step < 4; step++) { // run, recorded, replayed
        resident.decode(rows);
        streamed.decode(rows);
        boolean same = Arrays.equals(resident.chosen(rows), streamed.chosen(rows));
        System.out.printf("%d rows, recorded step %d: same tokens %b%n", rows, step, same);
        failed |= !same;
      }
    }
  }

  private void same(String what, float[] expected, Tensor tensor, StepModel streamed) {
    float[] actual = logits(streamed, tensor);
    int differing = 0;
    for (int i = 0; i < expected.length; i++) {
      boolean same = Float.floatToRawIntBits(expected[i]) == Float.floatToRawIntBits(actual[i]);
      differing += same ? 0 : 1;
    }
    System.out.printf("%s: %d of %d logits differ%n", what, differing, expected.length);
    failed |= differing > 0;
  }

  private static float[] logits(StepModel model, Tensor tensor) {
    float[] values = new float[model.config.vocabulary()];
    model.backend.read(tensor, 0, values, 0, values.length);
    return values;
  }

  private void steps(StepModel resident, StepModel streamed) {
    for (int rows : ROWS) {
      row(rows + " rows", decode(resident, rows), decode(streamed, rows), streamed);
    }
  }

  private void prompts(StepModel resident, StepModel streamed) {
    double card = time(resident, () -> resident.prefill(0));
    row("8 prompts of 512", card, time(streamed, () -> streamed.prefill(0)), streamed);
  }

  private static double decode(StepModel model, int rows) {
    model.place(rows, StepModel.PROMPT);
    return time(model, () -> model.decode(rows));
  }

  /** Milliseconds of a step. */
  private static double time(StepModel model, Runnable step) {
    step.run();
    step.run();
    Runnable steps =
        () -> {
          for (int i = 0; i < STEPS; i++) {
            step.run();
          }
        };
    return CardTime.micros(model.backend.stream(), steps) / 1000 / STEPS;
  }

  private void row(String step, double resident, double streamed, StepModel model) {
    WeightStreaming streaming = model.backend.streaming().orElseThrow();
    double rate = streaming.streamedBytes() / streamed * 1e3;
    List<String> cells =
        List.of(
            step,
            text("%.2f", resident),
            text("%.2f", streamed),
            text("%.2f", streaming.stepNanos() / 1e6),
            text("%.1f", rate / 1e9),
            text("%.0f %%", 100 * rate / streaming.bytesPerSecond()));
    System.out.println(cells);
    table.add(cells);
  }

  private static String text(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private void write(Options options, CudaBackend host) throws IOException {
    WeightStreaming streaming = host.streaming().orElseThrow();
    String note =
        String.format(
            Locale.ROOT,
            "All %d MiB of the layers come from page-locked memory of the host in each step; copies"
                + " alone run at %.1f GB/s. Logits and"
                + " tokens are those of weights on the card, bit for bit.",
            streaming.streamedBytes() >> 20,
            streaming.bytesPerSecond() / 1e9);
    List<String> columns =
        List.of("step", "on the card, ms", "streamed, ms", "announced, ms", "GB/s", "of the link");
    BenchmarkResult.Table result =
        new BenchmarkResult.Table("Llama 8B shapes with all layers streamed", note, columns, table);
    new CardProgram(GpuStreamBench.class, "gpu-stream", options).write(List.of(), List.of(result));
  }
}
