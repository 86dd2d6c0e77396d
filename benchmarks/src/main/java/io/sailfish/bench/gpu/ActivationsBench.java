package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.bench.Median;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.format.TwoByteFloat;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;
import java.util.function.ToDoubleFunction;

/**
 * What bf16 activations cost beside fp16 ones: decode steps and prompts of Llama 8B shapes (w4a16,
 * g128, fp16 scales), both models on one card, timed by turns.
 *
 * <p>Options: {@code --commit ID}, {@code --results FOLDER}.
 */
public final class ActivationsBench {
  private static final int[] ROWS = {1, 16, 64, 256};
  private static final int RUNS = 3;
  private static final int STEPS = 40;
  private static final int PROMPTS = 64;

  /** Of a card for one model. */
  private static final double SHARE = 0.45;

  private final List<List<String>> table = new ArrayList<>();

  private ActivationsBench() {}

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    ActivationsBench bench = new ActivationsBench();
    try (CudaBackend fp16 = open(TwoByteFloat.F16);
        CudaBackend bf16 = open(TwoByteFloat.BF16)) {
      bench.run(
          List.of(
              new StepModel(StepModel.LLAMA_8B, fp16), new StepModel(StepModel.LLAMA_8B, bf16)));
      bench.write(options);
    }
  }

  private static CudaBackend open(TwoByteFloat activations) {
    return CudaBackend.open(new BackendRequest("cuda", 0, "0", SHARE, activations));
  }

  private void run(List<StepModel> models) {
    int each = StepModel.PROMPT_ROWS / StepModel.PROMPT;
    for (StepModel model : models) {
      for (int first = 0; first < StepModel.MAX_SEQUENCES; first += each) {
        model.prefill(first);
      }
      for (int rows : ROWS) {
        model.place(rows, StepModel.PROMPT);
        model.decode(rows); // takes memory
        model.decode(rows); // records
      }
      model.backend.stream().synchronize();
    }
    for (int rows : ROWS) {
      compare(
          "%d row%s, ms a step".formatted(rows, rows == 1 ? "" : "s"),
          models,
          model -> stepMillis(model, rows));
    }
    compare("8 prompts of 512 tokens, ms", models, ActivationsBench::promptMillis);
  }

  private void compare(String what, List<StepModel> models, ToDoubleFunction<StepModel> millis) {
    double[][] runs = new double[models.size()][RUNS];
    for (int run = 0; run < RUNS; run++) {
      for (int i = 0; i < runs.length; i++) {
        runs[i][run] = millis.applyAsDouble(models.get(i));
      }
    }
    double[] medians = Arrays.stream(runs).mapToDouble(Median::of).toArray();
    List<String> row =
        List.of(
            what,
            String.format(Locale.ROOT, "%.3f", medians[0]),
            String.format(Locale.ROOT, "%.3f", medians[1]),
            String.format(Locale.ROOT, "%.3f", medians[1] / medians[0]));
    System.out.println(String.join("  ", row));
    table.add(row);
  }

  private static double stepMillis(StepModel model, int rows) {
    model.place(rows, StepModel.PROMPT);
    return millis(model, STEPS, i -> model.decode(rows));
  }

  private static double promptMillis(StepModel model) {
    int each = StepModel.PROMPT_ROWS / StepModel.PROMPT;
    return millis(model, PROMPTS / each, i -> model.prefill(i * each));
  }

  private static double millis(StepModel model, int count, IntConsumer work) {
    Runnable all =
        () -> {
          for (int i = 0; i < count; i++) {
            work.accept(i);
          }
        };
    return CardTime.micros(model.backend.stream(), all) / 1000 / count;
  }

  private void write(Options options) throws IOException {
    BenchmarkResult.Table result =
        new BenchmarkResult.Table(
            "Steps with fp16 and with bf16 activations",
            "Llama 8B shapes, w4a16 g128 with fp16 scales, contexts 512 to 552; medians of "
                + RUNS
                + ", by turns",
            List.of("step", "fp16", "bf16", "bf16 / fp16"),
            table);
    new CardProgram(ActivationsBench.class, "gpu-activations", options)
        .write(List.of(), List.of(result));
  }
}
