package io.sailfish.bench.gpu;

import io.sailfish.bench.Median;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.model.LlamaWeights;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/**
 * Explains a decode step: each kernel of a layer by itself, run for all layers in one graph with
 * each layer's own weights and cache; and by how much the whole step is shorter without it, which
 * is less where it runs while others do, and more where others wait for it.
 */
final class StepParts {
  private static final int REPLAYS = 9;
  private static final int MOST_REPEATS = 32;

  /** A chain of parts that stand by themselves as well: counted in no sum. */
  private static final String TOGETHER = "of these, norm, q|k|v, attention in a chain";

  /** Arithmetic ceiling of fp16 products, operations a microsecond. */
  private static final double OPERATIONS_PER_MICRO = 800e6;

  private final StepModel m;
  private final int rows;
  private final double bytesPerMicro;
  private final List<List<String>> table = new ArrayList<>();

  /** Of a layer, in their order; a norm comes twice. */
  private final List<Kernel> layer = new ArrayList<>();

  private record Kernel(String name, IntConsumer op) {}

  private Tensor normed;
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

  /**
   * Rows: kernel, times a step, us each, us a step, floor us a step, share, us it adds to a step.
   */
  List<List<String>> decode(int context) {
    m.place(rows, context);
    long kv = 2L * rows * m.config.attention().kvCols() * context * Short.BYTES;
    layers(m.backend.ops(), kv / bytesPerMicro, true);
    Tensor logits = m.backend.exact(rows, m.config.vocabulary(), "logits");
    double bytes = 4.0 * rows * m.config.vocabulary();
    Kernel head =
        new Kernel(
            "head product", i -> m.backend.ops().linear(logits, normed, m.weights.output(), rows));
    Kernel choice = new Kernel("greedy choice", i -> m.backend.argmax(m.ids, logits, rows));
    part(head.name(), 1, (m.weights.output().bytes() + bytes) / bytesPerMicro, head.op());
    part(choice.name(), 1, bytes / bytesPerMicro, choice.op());
    addMargins(List.of(head, choice));
    return table;
  }

  /** Ends each row with what the step is shorter by without that kernel. */
  private void addMargins(List<Kernel> last) {
    double whole = step(last, "");
    for (int i = 0; i < table.size(); i++) {
      List<String> row = new ArrayList<>(table.get(i));
      String name = row.get(0);
      boolean stands =
          Stream.concat(layer.stream(), last.stream()).anyMatch(k -> k.name().equals(name));
      row.set(row.size() - 1, stands ? "%.0f".formatted(whole - step(last, name)) : "");
      table.set(i, row);
    }
  }

  private double step(List<Kernel> last, String without) {
    return replays(
        "step without %s, %d rows".formatted(without, rows),
        () -> {
          for (int i = 0; i < m.weights.layers().size(); i++) {
            run(layer, i, without);
          }
          run(last, 0, without);
        });
  }

  private static void run(List<Kernel> kernels, int i, String without) {
    for (Kernel kernel : kernels) {
      if (!kernel.name().equals(without)) {
        kernel.op().accept(i);
      }
    }
  }

  /** The same for a step of prompts, whose inputs are those of {@link StepModel#prefill}. */
  List<List<String>> prompts() {
    m.prefill(0);
    double scores = 0.5 * rows * StepModel.PROMPT * m.config.attention().qCols();
    layers(m.backend.promptOps(), 4 * scores / OPERATIONS_PER_MICRO, false);
    return table;
  }

  private void layers(Ops ops, double attentionFloor, boolean decodes) {
    CudaBackend b = m.backend;
    AttentionShape shape = m.config.attention();
    int hidden = m.config.hidden();
    Tensor x = b.floats(rows, hidden, "x");
    normed = b.floats(rows, hidden, "normed");
    Tensor qkv = b.floats(rows, shape.qkvCols(), "qkv");
    Tensor attended = b.floats(rows, shape.qCols(), "attended");
    Tensor inner = b.floats(rows, m.config.inner(), "inner");
    Tensor angles = b.exact(1024, shape.headDim(), "angles");
    b.write(
        angles, 0, OpsInputs.HALVES.random(1024 * shape.headDim(), 2), 0, 1024 * shape.headDim());
    LayerAttention how = LayerAttention.plain(angles, false);
    List<LlamaWeights.Layer> w = m.weights.layers();
    int layers = w.size();
    double rowMicros = 2.0 * rows * hidden * Short.BYTES / bytesPerMicro; // read and written
    part(
        "embedding",
        1,
        rowMicros,
        i -> ops.embed(x, m.weights.embedding(), m.step.tokenIds(), rows));
    Kernel norm =
        new Kernel("rms norm", i -> ops.rmsNorm(normed, x, w.get(0).ffnNorm(), 1e-5f, rows));
    part(norm.name(), 2 * layers, rowMicros, norm.op());
    layer.add(norm);
    product("q|k|v product", w.get(0).qkv(), i -> ops.linear(qkv, normed, w.get(i).qkv(), rows));
    IntConsumer attention =
        i -> ops.ropeAttention(attended, qkv, how, m.step, m.cache, i, shape, rows);
    if (decodes) {
      part("rotate, append, attention", layers, attentionFloor, attention);
      layer.add(new Kernel("rotate, append, attention", attention));
      part(
          TOGETHER,
          layers,
          attentionFloor + w.get(0).qkv().bytes() / bytesPerMicro,
          i -> {
            ops.rmsNorm(normed, x, w.get(0).ffnNorm(), 1e-5f, rows);
            ops.linear(qkv, normed, w.get(i).qkv(), rows);
            attention.accept(i);
          });
    } else {
      part(
          "rotate, append",
          layers,
          2.0 * rows * shape.qkvCols() * Short.BYTES / bytesPerMicro,
          i -> ops.ropeAppend(qkv, how, m.step, m.cache, i, shape, rows));
      part(
          "attention",
          layers,
          attentionFloor,
          i -> ops.attention(attended, qkv, m.cache, i, m.step, shape, rows));
    }
    product("output product", w.get(0).o(), i -> ops.linearAdd(x, attended, w.get(i).o(), rows));
    ops.embed(x, m.weights.embedding(), m.step.tokenIds(), rows);
    layer.add(norm);
    product(
        "gate|up product, swiglu",
        w.get(0).gateUp(),
        i -> ops.swiGlu(inner, normed, w.get(i).gateUp(), rows));
    product("down product", w.get(0).down(), i -> ops.linearAdd(x, inner, w.get(i).down(), rows));
  }

  private void product(String name, Weight w, IntConsumer op) {
    double operations = 2.0 * rows * w.rows() * w.cols();
    double floor = Math.max(w.bytes() / bytesPerMicro, operations / OPERATIONS_PER_MICRO);
    part(name, m.weights.layers().size(), floor, op);
    layer.add(new Kernel(name, op));
  }

  double sumMicros() {
    return sum;
  }

  double floorMicros() {
    return floors;
  }

  private void part(String name, int times, double floor, IntConsumer op) {
    int repeats = Math.min(Math.max(times, 8), MOST_REPEATS);
    double each =
        replays(
                "part %s, %d rows".formatted(name, rows),
                () -> {
                  for (int i = 0; i < repeats; i++) {
                    op.accept(i % m.weights.layers().size());
                  }
                })
            / repeats;
    if (!name.equals(TOGETHER)) {
      sum += each * times;
      floors += floor * times;
    }
    table.add(
        List.of(
            name,
            String.valueOf(times),
            "%.1f".formatted(each),
            "%.0f".formatted(each * times),
            (floor * times < 10 ? "%.1f" : "%.0f").formatted(floor * times),
            "%.0f %%".formatted(100 * floor / each),
            ""));
    System.out.println("  " + String.join("  ", table.get(table.size() - 1)));
  }

  /** Median microseconds of {@code work}, recorded and replayed. */
  private double replays(String key, Runnable work) {
    return Median.of(
        CardTime.each(m.backend.stream(), 2, REPLAYS, () -> m.backend.replay(key, work)));
  }
}
