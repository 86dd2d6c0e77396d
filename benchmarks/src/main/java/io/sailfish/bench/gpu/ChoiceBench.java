package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.bench.Median;
import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.cuda.CudaBackend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * What the choice of tokens takes on a card, by itself and in steps of Llama 8B shapes: greedy, and
 * sampled in the ways that people ask for, over 128,256 tokens.
 *
 * <p>Options: {@code --steps no} (the choice by itself), {@code --commit ID}, {@code --results
 * FOLDER}.
 */
public final class ChoiceBench {
  private static final int VOCABULARY = 128_256;
  private static final int[] ROWS = {1, 16, 32, 256};
  private static final int CHAINED = 16;
  private static final int REPLAYS = 9;
  private static final int CONTEXT = 576;
  private static final int STEPS = 40;

  /** Memory of the card, read at its speed; an H200's as measured. */
  private static final double FLOOR_BYTES_PER_MICRO = 4.58e6;

  /** A way to choose; null parameters are the greedy kernel's. */
  private record Way(String name, TokenChoice choice) {}

  private static final List<Way> WAYS =
      List.of(
          new Way("greedy", null),
          new Way("temperature", TokenChoice.of(0.8f, 0, 1f, 0f, 1f, 1, 2)),
          new Way("min-p 0.05", TokenChoice.of(0.8f, 0, 1f, 0.05f, 1f, 1, 2)),
          new Way("top-k 50", TokenChoice.of(0.8f, 50, 1f, 0f, 1f, 1, 2)),
          new Way("top-p 0.95", TokenChoice.of(0.8f, 0, 0.95f, 0f, 1f, 1, 2)),
          new Way(
              "top-k 50, top-p 0.9, penalty 1.1", TokenChoice.of(0.8f, 50, 0.9f, 0f, 1.1f, 1, 2)),
          new Way("greedy, penalty 1.1", TokenChoice.of(0f, 0, 1f, 0f, 1.1f, 1, 2)));

  private final StepModel model;
  private final CudaBackend card;
  private final List<List<String>> alone = new ArrayList<>();
  private final List<List<String>> inSteps = new ArrayList<>();

  private ChoiceBench(StepModel model) {
    this.model = model;
    this.card = model.backend;
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    try (CudaBackend backend = CudaBackend.open(0)) {
      ChoiceBench bench = new ChoiceBench(new StepModel(StepModel.LLAMA_8B, backend));
      Tensor logits = bench.logits(ROWS[ROWS.length - 1]);
      for (int rows : ROWS) {
        bench.alone(logits, rows);
      }
      for (int rows : ROWS) {
        if (!options.text("steps", "yes").equals("no")) {
          bench.inSteps(rows);
        }
      }
      bench.write(options);
    }
  }

  /** As a model's: a bulk, and a few tokens that stand out. */
  private Tensor logits(int rows) {
    Tensor tensor = card.exact(rows, VOCABULARY, "logits");
    Random random = new Random(1);
    float[] row = new float[VOCABULARY];
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < VOCABULARY; i++) {
        row[i] = (float) random.nextGaussian() * 2.2f;
      }
      for (int i = 0; i < 40; i++) {
        row[random.nextInt(VOCABULARY)] = 10 + 5 * random.nextFloat();
      }
      card.write(tensor, (long) r * VOCABULARY, row, 0, VOCABULARY);
    }
    return tensor;
  }

  private ChoiceInputs inputs(Way way, int rows) {
    if (way.choice() == null) {
      return ChoiceInputs.greedy(null);
    }
    int[] packed = new int[rows * TokenChoice.PACKED];
    for (int row = 0; row < rows; row++) {
      way.choice().pack(-1, packed, row * TokenChoice.PACKED);
    }
    return new ChoiceInputs(null, OpsCase.ints(card, packed), null, null, model.step, model.cache);
  }

  private void alone(Tensor logits, int rows) {
    IntTensor ids = card.ints(rows, "ids");
    double floor = 4.0 * rows * VOCABULARY / FLOOR_BYTES_PER_MICRO;
    for (Way way : WAYS) {
      model.place(rows, CONTEXT);
      ChoiceInputs how = inputs(way, rows);
      double micros =
          median(
              "choice %s %d".formatted(way.name(), rows),
              () -> {
                for (int i = 0; i < CHAINED; i++) {
                  card.choose(ids, 0, logits, rows, how);
                }
              },
              CHAINED);
      line(
          alone,
          way.name(),
          String.valueOf(rows),
          "%.1f".formatted(micros),
          "%.1f".formatted(floor),
          "%.0f %%".formatted(100 * floor / micros));
    }
  }

  /** Steps of a context, whose tokens are fed to the next on the card. */
  private void inSteps(int rows) {
    double greedy = 0;
    for (Way way : WAYS) {
      ChoiceInputs how = inputs(way, rows);
      model.place(rows, CONTEXT);
      Object key = "step %s %d".formatted(way.name(), rows);
      Runnable step =
          () -> {
            card.takeTokens(model.step, model.cache, null, model.ids, rows);
            Tensor logits = model.model.decode(model.step, rows);
            card.choose(model.ids, 0, logits, rows, how);
            card.advance(model.step, model.ids, rows);
          };
      double micros = median(key, step, 1);
      greedy = way.choice() == null ? micros : greedy;
      line(
          inSteps,
          way.name(),
          String.valueOf(rows),
          "%.0f".formatted(micros),
          "%+.0f".formatted(micros - greedy),
          "%+.1f %%".formatted(100 * (micros / greedy - 1)));
    }
  }

  private static void line(List<List<String>> table, String... cells) {
    table.add(List.of(cells));
    System.out.println(String.join("  ", cells));
  }

  /** Median time of recorded work. */
  private double median(Object key, Runnable work, int parts) {
    int replays = parts == 1 ? STEPS : REPLAYS;
    double[] micros = // as queued, recorded, replayed
        CardTime.each(card.stream(), 3, replays, () -> card.replay(key, work));
    return Median.of(micros) / parts;
  }

  private void write(Options options) throws IOException {
    BenchmarkResult.Table kernels =
        new BenchmarkResult.Table(
            "The choice of tokens by itself",
            "µs over 128,256 tokens a row, kernels chained in a graph; floor: the logits read once"
                + " at 4.58 TB/s, though up to 64 rows of them fit in L2",
            List.of("way", "rows", "µs", "floor", "share of the floor"),
            alone);
    BenchmarkResult.Table steps =
        new BenchmarkResult.Table(
            "The choice of tokens in steps",
            "µs a decode step of Llama 8B shapes, all rows chosen alike, context " + CONTEXT,
            List.of("way", "rows", "µs a step", "more than greedy", "share of the step"),
            inSteps);
    new CardProgram(ChoiceBench.class, "gpu-token-choice", options)
        .write(List.of(), inSteps.isEmpty() ? List.of(kernels) : List.of(kernels, steps));
  }
}
