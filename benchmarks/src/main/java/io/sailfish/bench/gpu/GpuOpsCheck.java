package io.sailfish.bench.gpu;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Holds every operator of the CUDA backend, those of decoding and those of prompts, against {@code
 * ReferenceOps} on the same inputs, and every row bit for bit against itself in other company.
 * Needs a JRE, the jars and a card. Options: {@code --only TEXT}, {@code --activations fp16|bf16}
 * (both), whose tolerances are as far apart as their last places.
 */
public final class GpuOpsCheck {
  private final List<String> failures = new ArrayList<>();
  private int checked;

  /** Rows of a tile of prompts, and rows left out at the beginning so that tiles end elsewhere. */
  private static final int TILE_ROWS = 64;

  private static final int LEFT_OUT = 10;

  private GpuOpsCheck() {}

  public static void main(String[] args) {
    Options options = new Options(args);
    CardProgram.requireCard("checked");
    GpuOpsCheck check = new GpuOpsCheck();
    for (TwoByteFloat type : TwoByteFloat.values()) {
      if (type.describe().contains(options.text("activations", ""))) {
        check.run(type, options.text("only", ""));
      }
    }
    check.failures.forEach(failure -> System.out.println("FAILED " + failure));
    System.out.printf("%d operators checked, %d failures%n", check.checked, check.failures.size());
    System.exit(check.failures.isEmpty() ? 0 : 1);
  }

  /** Checks all cases and returns what is wrong. */
  static List<String> failures(TwoByteFloat activations) {
    GpuOpsCheck check = new GpuOpsCheck();
    check.run(activations, "");
    return check.failures;
  }

  private void run(TwoByteFloat activations, String only) {
    OpsInputs in = new OpsInputs(activations);
    List<OpsCase> cases = new ArrayList<>(OpsCase.all(in));
    cases.addAll(AttentionCase.all(in));
    cases.addAll(RopeAttentionCase.all(in));
    cases.removeIf(c -> !c.name().contains(only));
    try (CudaBackend card = CudaBackend.open(0, activations)) {
      System.out.println(card.describe());
      List<CompletableFuture<float[]>> references =
          cases.stream().map(c -> CompletableFuture.supplyAsync(() -> reference(c))).toList();
      for (int i = 0; i < cases.size(); i++) {
        OpsCase c = cases.get(i);
        float[] expected = references.get(i).join();
        double tolerance = c.tolerance() * in.coarseness();
        hold(c, "decode", card, card.ops(), expected, tolerance);
        hold(c, "prompt", card, card.promptOps(), expected, tolerance);
      }
      if (ChoiceCheck.NAME.contains(only)) {
        ChoiceCheck choices = new ChoiceCheck(card);
        choices.run();
        checked += choices.checked();
        failures.addAll(choices.failures());
      }
    }
  }

  private static float[] reference(OpsCase c) {
    try (Backend reference = CpuBackend.reference()) {
      return c.run(reference, reference.ops());
    }
  }

  private void hold(
      OpsCase c, String role, CudaBackend card, Ops ops, float[] expected, double tolerance) {
    checked++;
    String name = "%s %s, %s".formatted(card.activations().describe(), c.name(), role);
    float[] got;
    try {
      got = c.program().run(card, ops, 0, c.rows());
    } catch (KernelException e) {
      failures.add(name + ": " + e.getMessage());
      return;
    }
    double largest = 0;
    double worst = 0;
    int worstAt = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs((double) got[i] - expected[i]) / largest;
      error = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
      if (error > worst) {
        worst = error;
        worstAt = i;
      }
    }
    int cols = expected.length / c.rows();
    long differing = differing(c, card, ops, got, cols);
    System.out.printf("%-58s error %.2e, %d differ%n", name, worst, differing);
    if (!(worst <= tolerance)) {
      failures.add(
          "%s: error %.2e at row %d column %d: %s, expected %s"
              .formatted(
                  name, worst, worstAt / cols, worstAt % cols, got[worstAt], expected[worstAt]));
    }
    if (differing > 0) {
      failures.add("%s: %d values depend on the company".formatted(name, differing));
    }
  }

  /** Values that change when a row is computed alone, among others or in another place. */
  private static long differing(OpsCase c, Backend card, Ops ops, float[] all, int cols) {
    long differing = 0;
    for (int count : new int[] {1, 7, 30, c.rows() - LEFT_OUT}) {
      boolean fromElsewhere = count == c.rows() - LEFT_OUT;
      if (count >= c.rows() || fromElsewhere && c.rows() <= TILE_ROWS) {
        continue;
      }
      int first = fromElsewhere ? LEFT_OUT : c.rows() - count - 1;
      float[] some = c.program().run(card, ops, first, count);
      for (int i = 0; i < some.length; i++) {
        int a = Float.floatToRawIntBits(some[i]);
        int b = Float.floatToRawIntBits(all[first * cols + i]);
        differing += a == b ? 0 : 1;
      }
    }
    return differing;
  }
}
