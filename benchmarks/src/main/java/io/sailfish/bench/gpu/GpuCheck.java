package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.format.TwoByteFloat;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Holds every product kernel on the card against a double product of the dequantised weights, and
 * every result bit for bit against the same row in other company. Needs a JRE, the jars and a card.
 *
 * <p>Stated behaviour of odd values: a NaN in a row of x makes that whole row of y NaN, an infinity
 * makes it NaN or infinite; other rows keep their bits. A row of zeros gives zeros.
 *
 * <p>Options: {@code --max-rows N} (257), {@code --quick} (few cases, for sanitizers), {@code
 * --only TEXT} (those whose names have it), {@code --every N} and {@code --from I} (every Nth case
 * from the Ith on, to share a list out), {@code --decode} (no tiles of prompts), {@code --repeats
 * N} (10000; 0: none), {@code --seconds N} (no new case after that many, 0 = no bound), {@code
 * --commit ID}, {@code --results FOLDER}.
 */
public final class GpuCheck {
  private static final Map<TwoByteFloat, Double> BOUND =
      Map.of(TwoByteFloat.F16, 5e-4, TwoByteFloat.BF16, 4e-3);

  private final Options options;
  private final CudaStream stream;
  private final QuantGemm gemm;
  private final Map<TwoByteFloat, Double> worst = new EnumMap<>(TwoByteFloat.class);
  private final List<String> failures = new ArrayList<>();
  private long differingValues;
  private int checked;

  private GpuCheck(Options options, CudaStream stream, QuantGemm gemm) {
    this.options = options;
    this.stream = stream;
    this.gemm = gemm;
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    CudaAvailability availability = CardProgram.requireCard("checked");
    try (CudaDevice device = CudaDevice.open(0);
        CudaStream stream = device.newStream();
        QuantGemm gemm = new QuantGemm(stream)) {
      System.out.println(device.properties().describe() + ", " + availability.reason());
      GpuCheck check = new GpuCheck(options, stream, gemm);
      check.run();
      System.exit(check.report() ? 0 : 1);
    }
  }

  private void run() {
    long started = System.nanoTime();
    long bound = options.number("seconds", 0) * 1_000_000_000L;
    List<GemmCheckCase> cases = GemmCheckCase.all((int) options.number("max-rows", 257));
    cases.removeIf(c -> !c.describe().contains(options.text("only", "")));
    int stride = (int) options.number("every", options.has("quick") ? 17 : 1);
    for (int i = (int) options.number("from", 0); i < cases.size(); i += stride) {
      if (bound > 0 && System.nanoTime() - started > bound) {
        failures.add(
            "out of time: %d of %d cases not run".formatted(cases.size() - i, cases.size()));
        break;
      }
      checkCase(cases.get(i));
    }
    if (checked == 0) {
      failures.add("no case was checked: look at --only, --from and --seconds");
    }
    repeats();
  }

  private void checkCase(GemmCheckCase checkCase) {
    int[] rows = checkCase.rows();
    checked++;
    int max = rows[rows.length - 1];
    try (GemmChecker checker = new GemmChecker(stream, gemm, checkCase)) {
      HostMatrix all = checker.run(checker.inputs, max);
      boolean prompts = !options.has("decode");
      boolean alike = checker.takesPromptTiles();
      HostMatrix inPromptTiles =
          alike || !prompts ? all : checker.run(checker.inputs, max, GemmChecker.PROMPT_TILE_ROWS);
      double error = 0;
      long differing = 0;
      for (int row : rows) {
        HostMatrix y = checker.run(checker.inputs, row);
        error = worse(error, ReferenceProduct.relativeError(y, checker.reference));
        differing += y.differingValues(all);
        if (prompts) {
          y = checker.run(checker.inputs, row, GemmChecker.PROMPT_TILE_ROWS);
          differing += y.differingValues(inPromptTiles);
          if (!alike) {
            error = worse(error, ReferenceProduct.relativeError(y, checker.reference));
          }
        }
      }
      differing += oddValues(checker, all, checkCase);
      if (checkCase.outputs() >= 64 && checkCase.outputs() % 8 == 0) {
        // Judged over all rows, as the error of a gate's few values for one row scatters; fewer
        // rows are held to the same bits.
        GemmChecker.Epilogues epilogues = checker.epilogues(max);
        error = worse(error, checker.epilogueError(epilogues));
        for (int row : new int[] {1, 16}) {
          if (row <= max) {
            differing += checker.epilogues(row).differingValues(epilogues);
          }
        }
      }
      if (checker.paddingWritten() > 0) {
        fail(checkCase, checker.paddingWritten() + " padded columns are not zero");
      }
      note(checkCase, error, differing);
    }
  }

  /** A NaN that appears anywhere stays the worst. */
  private static double worse(double a, double b) {
    return Double.isNaN(a) || Double.isNaN(b) ? Double.NaN : Math.max(a, b);
  }

  private void note(GemmCheckCase checkCase, double error, long differing) {
    TwoByteFloat type = checkCase.kind().activations();
    worst.merge(type, error, GpuCheck::worse);
    differingValues += differing;
    if (!(error <= BOUND.get(type))) {
      fail(checkCase, "relative error %.2e".formatted(error));
    }
    if (differing > 0) {
      fail(checkCase, differing + " values depend on the company");
    }
    System.out.printf("%-58s error %.2e, %d differ%n", checkCase.describe(), error, differing);
  }

  private void fail(GemmCheckCase checkCase, String what) {
    failures.add(checkCase.describe() + ": " + what);
  }

  /**
   * Four rows with a NaN, an infinity, zeros and nothing odd; returns changed values of the last.
   */
  private long oddValues(GemmChecker checker, HostMatrix all, GemmCheckCase checkCase) {
    int rows = Math.min(4, all.rows);
    if (rows < 4) {
      return 0;
    }
    HostMatrix x = new HostMatrix(checker.inputs.type, 4, checkCase.inputs());
    for (int k = 0; k < checkCase.inputs(); k++) {
      x.set(0, k, checker.inputs.value(0, k));
      x.set(1, k, checker.inputs.value(1, k));
      x.set(3, k, checker.inputs.value(3, k));
    }
    x.set(0, checkCase.inputs() / 2, Float.NaN);
    x.set(1, checkCase.inputs() / 3, Float.NEGATIVE_INFINITY);
    HostMatrix y = checker.run(x, 4);
    long changed = 0;
    for (int col = 0; col < y.cols; col++) {
      if (!Float.isNaN(y.value(0, col))) {
        fail(checkCase, "a NaN in x left column %d at %s".formatted(col, y.value(0, col)));
        break;
      }
      if (Float.isFinite(y.value(1, col))) {
        fail(checkCase, "an infinity in x left column %d at %s".formatted(col, y.value(1, col)));
        break;
      }
      if (y.value(2, col) != 0) {
        fail(checkCase, "zeros in x gave %s in column %d".formatted(y.value(2, col), col));
        break;
      }
      changed += y.bits(3, col) == all.bits(3, col) ? 0 : 1;
    }
    return changed;
  }

  private void repeats() {
    int repeats = (int) options.number("repeats", 10_000);
    if (repeats == 0) {
      return;
    }
    for (int rows : new int[] {16, 64, 128}) {
      repeat(WeightKind.W4_G128, rows, repeats);
    }
    repeat(WeightKind.LUT4_G128, 128, repeats);
  }

  private void repeat(WeightKind kind, int rows, int repeats) {
    GemmCheckCase checkCase = new GemmCheckCase(kind, 4096, 1024, 128, false, 1);
    try (GemmChecker checker = new GemmChecker(stream, gemm, checkCase)) {
      int results = checker.distinctResults(rows, repeats);
      System.out.printf(
          "%s, %d repeats at %d rows: %d result(s)%n", kind.describe(), repeats, rows, results);
      if (results != 1) {
        fail(checkCase, "%d different results in %d repeats".formatted(results, repeats));
      }
    }
  }

  private boolean report() throws IOException {
    List<BenchmarkResult.Figure> figures = new ArrayList<>();
    worst.forEach(
        (type, error) ->
            figures.add(
                new BenchmarkResult.Figure(
                    "gemm.rel_error." + (type == TwoByteFloat.F16 ? "fp16" : "bf16"),
                    error,
                    null)));
    figures.add(
        new BenchmarkResult.Figure("gemm.invariance.differing_values", differingValues, null));
    if (checked > 0) {
      new CardProgram(GpuCheck.class, "gpu-check", options).write(figures, List.of(table()));
    }
    failures.forEach(failure -> System.out.println("FAILED " + failure));
    System.out.printf(
        "%d cases checked, %d failures, %d differing values, worst errors %s%n",
        checked, failures.size(), differingValues, worst);
    return failures.isEmpty();
  }

  private BenchmarkResult.Table table() {
    return new BenchmarkResult.Table(
        "Products against a double product of the dequantised weights",
        "Every row of every case also bit for bit against itself among other rows.",
        List.of("cases", "failures", "values that depend on company or run"),
        List.of(
            List.of(
                String.valueOf(checked),
                String.valueOf(failures.size()),
                String.valueOf(differingValues))));
  }
}
