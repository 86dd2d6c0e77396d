package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaEvent;
import io.sailfish.llama.model.LlamaWeights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Explains a decode step: each kernel of a layer by itself, run for all layers in one graph with
 * each layer's own weights and cache.
 */
final class StepParts {
  private static final int REPLAYS = 9;

  private final StepModel m;
  private final int rows;
  private final double bytesPerMicro;
  private final List<List<String>> table = new ArrayList<>();
  private double sum;
  private double floors;

  /**
   * @param ceiling bytes a second
   */
  StepParts(StepModel model, int rows, double ceiling) {
    this.m = model;
    this.rows = rows;
    this.bytesPerMicro = ceiling / 1e6;
  }

  /** Rows: kernel, times a step, us each, us a step, floor us a step. */
  List<List<String>> measure(int context) {
    CudaBackend b = m.backend;
    Ops ops = b.ops();
    AttentionShape shape = m.config.attention();
    int hidden = m.config.hidden();
    Tensor x = b.floats(rows, hidden, "x");
    Tensor normed = b.floats(rows, hidden, "normed");
    Tensor qkv = b.floats(rows, shape.qkvCols(), "qkv");
    Tensor attended = b.floats(rows, shape.qCols(), "attended");
    Tensor inner = b.floats(rows, m.config.inner(), "inner");
    Tensor logits = b.exact(rows, m.config.vocabulary(), "logits");
    Tensor angles = b.exact(1024, shape.headDim(), "angles");
    b.write(angles, 0, OpsCase.random(1024 * shape.headDim(), 2), 0, 1024 * shape.headDim());
    List<LlamaWeights.Layer> w = m.weights.layers();
    int layers = w.size();
    m.place(rows, context);
    ops.embed(x, m.weights.embedding(), m.step.tokenIds(), rows);
    double row = 2.0 * rows;
    long kv = 2L * rows * shape.kvCols() * context * Short.BYTES;
    part("rms norm", 2 * layers, 0, i -> ops.rmsNorm(normed, x, w.get(0).ffnNorm(), 1e-5f, rows));
    part(
        "q|k|v product",
        layers,
        w.get(0).qkv().bytes() + row * (hidden + shape.qkvCols()),
        i -> ops.linear(qkv, normed, w.get(i).qkv(), rows));
    part(
        "rotate, append",
        layers,
        0,
        i -> ops.ropeAppend(qkv, angles, m.step, m.cache, i, shape, false, rows));
    part(
        "attention",
        layers,
        kv,
        i -> ops.attention(attended, qkv, m.cache, i, m.step, shape, rows));
    part(
        "output product",
        layers,
        w.get(0).o().bytes(),
        i -> ops.linearAdd(x, attended, w.get(i).o(), rows));
    ops.embed(x, m.weights.embedding(), m.step.tokenIds(), rows);
    part(
        "gate|up product, swiglu",
        layers,
        w.get(0).gateUp().bytes(),
        i -> ops.swiGlu(inner, normed, w.get(i).gateUp(), rows));
    part(
        "down product",
        layers,
        w.get(0).down().bytes(),
        i -> ops.linearAdd(x, inner, w.get(i).down(), rows));
    part(
        "head product",
        1,
        m.weights.output().bytes() + 4.0 * rows * m.config.vocabulary(),
        i -> ops.linear(logits, normed, m.weights.output(), rows));
    part(
        "greedy choice", 1, 4.0 * rows * m.config.vocabulary(), i -> b.argmax(m.ids, logits, rows));
    return table;
  }

  double sumMicros() {
    return sum;
  }

  double floorMicros() {
    return floors;
  }

  private void part(String name, int times, double bytes, IntConsumer op) {
    int repeats = Math.max(times, 8);
    String key = "part %s, %d rows".formatted(name, rows);
    Runnable all =
        () -> {
          for (int i = 0; i < repeats; i++) {
            op.accept(i % m.weights.layers().size());
          }
        };
    double[] micros = new double[REPLAYS];
    try (CudaEvent start = m.backend.stream().device().newEvent();
        CudaEvent end = m.backend.stream().device().newEvent()) {
      for (int i = -2; i < REPLAYS; i++) {
        m.backend.stream().record(start);
        m.backend.replay(key, all);
        m.backend.stream().record(end);
        end.synchronize();
        if (i >= 0) {
          micros[i] = end.microsSince(start) / repeats;
        }
      }
    }
    Arrays.sort(micros);
    double each = micros[REPLAYS / 2];
    double floor = bytes / bytesPerMicro;
    sum += each * times;
    floors += floor * times;
    table.add(
        List.of(
            name,
            String.valueOf(times),
            "%.1f".formatted(each),
            "%.0f".formatted(each * times),
            floor == 0 ? "" : "%.0f".formatted(floor * times),
            floor == 0 ? "" : "%.0f %%".formatted(100 * floor / each)));
    System.out.println("  " + String.join("  ", table.get(table.size() - 1)));
  }
}
