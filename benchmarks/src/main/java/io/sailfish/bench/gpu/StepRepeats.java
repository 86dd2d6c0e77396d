package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.model.LlamaWeights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The first layers of a decode step over and over, as queued and as recorded: every result of every
 * kernel has to be the same each time. Kernels overlap here as they do in a step, so a missing wait
 * between two of them shows, and the first tensor that differs names the place.
 */
final class StepRepeats {
  private static final int LAYERS = 6;

  private final StepModel m;
  private final int rows;
  private final List<Tensor> results = new ArrayList<>();
  private final List<String> names = new ArrayList<>();
  private final Runnable step;

  StepRepeats(StepModel model, int rows) {
    this.m = model;
    this.rows = rows;
    CudaBackend b = m.backend;
    AttentionShape shape = m.config.attention();
    int hidden = m.config.hidden();
    Tensor x = b.floats(rows, hidden, "x");
    Tensor angles = b.exact(1024, shape.headDim(), "angles");
    b.write(
        angles, 0, OpsInputs.HALVES.random(1024 * shape.headDim(), 2), 0, 1024 * shape.headDim());
    LayerAttention how = LayerAttention.plain(angles, false);
    List<Runnable> kernels = new ArrayList<>();
    Ops ops = b.ops();
    kernels.add(() -> ops.embed(x, m.weights.embedding(), m.step.tokenIds(), rows));
    for (int i = 0; i < LAYERS; i++) {
      LlamaWeights.Layer w = m.weights.layers().get(i);
      int layer = i;
      Tensor first = result("attention norm", i, hidden);
      Tensor qkv = b.floats(rows, shape.qkvCols(), "qkv");
      Tensor attended = result("attention", i, shape.qCols());
      Tensor second = result("ffn norm", i, hidden);
      Tensor inner = result("swiglu", i, m.config.inner());
      kernels.add(() -> ops.rmsNorm(first, x, w.attentionNorm(), 1e-5f, rows));
      kernels.add(() -> ops.linear(qkv, first, w.qkv(), rows));
      kernels.add(() -> ops.ropeAttention(attended, qkv, how, m.step, m.cache, layer, shape, rows));
      kernels.add(() -> ops.linearAdd(x, attended, w.o(), rows));
      kernels.add(() -> ops.rmsNorm(second, x, w.ffnNorm(), 1e-5f, rows));
      kernels.add(() -> ops.swiGlu(inner, second, w.gateUp(), rows));
      kernels.add(() -> ops.linearAdd(x, inner, w.down(), rows));
    }
    step = () -> kernels.forEach(Runnable::run);
  }

  private Tensor result(String name, int layer, int cols) {
    Tensor tensor = m.backend.floats(rows, cols, name);
    results.add(tensor);
    names.add(name + " of layer " + layer);
    return tensor;
  }

  /** Row 0 of every result. */
  Map<String, float[]> rowZero() {
    m.place(rows, StepModel.PROMPT);
    step.run();
    float[][] got = read();
    Map<String, float[]> rowZero = new LinkedHashMap<>();
    for (int i = 0; i < got.length; i++) {
      rowZero.put(names.get(i), Arrays.copyOf(got[i], got[i].length / rows));
    }
    return rowZero;
  }

  /** The first result in which {@code other} differs from {@code one}, in words; null if none. */
  static String firstDifference(Map<String, float[]> one, Map<String, float[]> other) {
    for (Map.Entry<String, float[]> result : one.entrySet()) {
      float[] a = result.getValue();
      float[] b = other.get(result.getKey());
      int differing = 0;
      double largest = 0;
      int first = -1;
      for (int i = 0; i < a.length; i++) {
        if (Float.floatToRawIntBits(a[i]) != Float.floatToRawIntBits(b[i])) {
          first = first < 0 ? i : first;
          differing++;
          largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
      }
      if (differing > 0) {
        return "%s: %d of %d values, the first at %d, %.1e apart"
            .formatted(result.getKey(), differing, a.length, first, largest);
      }
    }
    return null;
  }

  /** Runs of {@code repeats} that differ from the first, each in words. */
  List<String> differing(int repeats) {
    List<String> differing = new ArrayList<>();
    float[][] expected = null;
    m.place(rows, StepModel.PROMPT);
    for (int run = 0; run < repeats; run++) {
      boolean recorded = run % 2 == 1;
      if (recorded) {
        m.backend.replay("repeats of %d rows".formatted(rows), step);
      } else {
        step.run();
      }
      float[][] got = read();
      expected = expected == null ? got : expected;
      for (int i = 0; i < got.length; i++) {
        if (!Arrays.equals(expected[i], got[i])) {
          differing.add(
              "run %d (%s): %s, %s"
                  .formatted(
                      run,
                      recorded ? "recorded" : "queued",
                      names.get(i),
                      place(expected[i], got[i])));
          break;
        }
      }
    }
    return differing;
  }

  private String place(float[] expected, float[] got) {
    int cols = expected.length / rows;
    int first = -1;
    int count = 0;
    for (int i = 0; i < got.length; i++) {
      if (Float.floatToRawIntBits(got[i]) != Float.floatToRawIntBits(expected[i])) {
        first = first < 0 ? i : first;
        count++;
      }
    }
    return "%d values from row %d column %d on: %s for %s"
        .formatted(count, first / cols, first % cols, got[first], expected[first]);
  }

  private float[][] read() {
    float[][] values = new float[results.size()][];
    for (int i = 0; i < values.length; i++) {
      values[i] = OpsCase.read(m.backend, results.get(i));
    }
    return values;
  }
}
