package io.sailfish.bench;

import com.sun.management.ThreadMXBean;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * The operators of SmolLM2-135M on the CPU, one after the other over all layers as a step runs them
 * (so weights come from memory, not from a cache): microseconds, GFLOP/s, and bytes allocated,
 * which must stay near zero (a vector that becomes an object shows there first).
 *
 * <pre>KernelBench [threads] [rows ...]</pre>
 */
public final class KernelBench {
  private static final int LAYERS = 30;
  private static final int HIDDEN = 576;
  private static final int INNER = 1536;
  private static final int VOCABULARY = 49152;
  private static final int CONTEXT = 144;
  private static final int BLOCK_TOKENS = 16;
  private static final AttentionShape SHAPE = new AttentionShape(9, 3, 64);

  private final Backend backend;
  private final Ops ops;
  private final int rows;
  private final List<Layer> layers;
  private final Weight head;
  private final Tensor x;
  private final Tensor normed;
  private final Tensor qkv;
  private final Tensor mixed;
  private final Tensor inner;
  private final Tensor logits;
  private final Tensor norm;
  private final Tensor rope;
  private final KvCache cache;
  private final StepInputs step;

  private record Layer(Weight qkv, Weight out, Weight gateUp, Weight down) {}

  private KernelBench(Backend backend, List<Layer> layers, Weight head, int rows) {
    this.backend = backend;
    this.ops = backend.ops();
    this.rows = rows;
    this.layers = layers;
    this.head = head;
    x = filled(rows, HIDDEN);
    normed = filled(rows, HIDDEN);
    qkv = filled(rows, SHAPE.qkvCols());
    mixed = filled(rows, SHAPE.qCols());
    inner = filled(rows, INNER);
    logits = backend.floats(rows, VOCABULARY, "logits");
    norm = filled(1, HIDDEN);
    rope = filled(2048, SHAPE.headDim());
    int stride = CONTEXT / BLOCK_TOKENS;
    cache = backend.kvCache(LAYERS, rows * stride, BLOCK_TOKENS, SHAPE);
    int[] positions = new int[rows];
    Arrays.fill(positions, CONTEXT - 1);
    int[] sequences = new int[rows];
    Arrays.setAll(sequences, i -> i);
    int[] slots = new int[rows];
    Arrays.setAll(slots, i -> (i + 1) * CONTEXT - 1);
    int[] tables = new int[rows * stride];
    Arrays.setAll(tables, i -> i);
    int[] starts = new int[rows + 1];
    Arrays.setAll(starts, i -> i);
    step =
        new StepInputs(
            ints(sequences),
            ints(positions),
            ints(slots),
            ints(sequences),
            ints(starts),
            ints(tables),
            stride,
            ints(sequences));
  }

  private Tensor filled(int rows, int cols) {
    Tensor tensor = backend.floats(rows, cols, "bench");
    Random random = new Random(7);
    float[] values = new float[rows * cols];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    backend.write(tensor, 0, values, 0, values.length);
    return tensor;
  }

  private IntTensor ints(int[] values) {
    IntTensor tensor = backend.ints(values.length, "bench");
    backend.write(tensor, values, values.length);
    return tensor;
  }

  private interface Part {
    void run(Layer layer, int index);
  }

  private void measure(String name, double flopsPerRow, Part part) {
    int warm = rows == 1 ? 60 : 12;
    int runs = 9;
    for (int i = 0; i < warm; i++) {
      pass(part);
    }
    double[] seconds = new double[runs];
    long allocated = allocated();
    for (int i = 0; i < runs; i++) {
      long start = System.nanoTime();
      pass(part);
      seconds[i] = (System.nanoTime() - start) / 1e9;
    }
    allocated = (allocated() - allocated) / runs / LAYERS;
    double median = Median.of(seconds);
    System.out.printf(
        "%-10s M=%-4d %9.1f us a layer %8.2f GFLOP/s %8d B allocated %9.3f ms a step%n",
        name,
        rows,
        median / LAYERS * 1e6,
        flopsPerRow * rows * LAYERS / median / 1e9,
        allocated,
        median * 1e3);
  }

  private void pass(Part part) {
    for (int i = 0; i < LAYERS; i++) {
      part.run(layers.get(i), i);
    }
  }

  private static long allocated() {
    return ((ThreadMXBean) ManagementFactory.getThreadMXBean())
        .getThreadAllocatedBytes(Thread.currentThread().getId());
  }

  private void run() {
    measure("rmsNorm", 0, (l, i) -> ops.rmsNorm(normed, x, norm, 1e-5f, rows));
    measure("qkv", 2.0 * HIDDEN * SHAPE.qkvCols(), (l, i) -> ops.linear(qkv, normed, l.qkv, rows));
    measure("rope", 0, (l, i) -> ops.rope(qkv, rope, step.positions(), SHAPE, true, rows));
    measure("kvAppend", 0, (l, i) -> ops.kvAppend(cache, i, qkv, step.slots(), SHAPE, rows));
    measure(
        "attention",
        4.0 * CONTEXT * SHAPE.qCols(),
        (l, i) -> ops.attention(mixed, qkv, cache, i, step, SHAPE, rows));
    measure("out", 2.0 * HIDDEN * HIDDEN, (l, i) -> ops.linear(normed, mixed, l.out, rows));
    measure("gateUp", 4.0 * HIDDEN * INNER, (l, i) -> ops.swiGlu(inner, x, l.gateUp, rows));
    measure("down", 2.0 * HIDDEN * INNER, (l, i) -> ops.linear(normed, inner, l.down, rows));
    measure(
        "head/30",
        2.0 * HIDDEN * VOCABULARY / LAYERS,
        (l, i) -> {
          if (i == 0) {
            ops.linear(logits, normed, head, rows);
          }
        });
    double block =
        2.0 * HIDDEN * (SHAPE.qkvCols() + HIDDEN + 3.0 * INNER)
            + 4.0 * CONTEXT * SHAPE.qCols()
            + 2.0 * HIDDEN * VOCABULARY / LAYERS;
    measure("step", block, this::step);
  }

  private void step(Layer layer, int index) {
    ops.rmsNorm(normed, x, norm, 1e-5f, rows);
    ops.linear(qkv, normed, layer.qkv, rows);
    ops.rope(qkv, rope, step.positions(), SHAPE, true, rows);
    ops.kvAppend(cache, index, qkv, step.slots(), SHAPE, rows);
    ops.attention(mixed, qkv, cache, index, step, SHAPE, rows);
    ops.linear(x, mixed, layer.out, rows);
    ops.rmsNorm(normed, x, norm, 1e-5f, rows);
    ops.swiGlu(inner, normed, layer.gateUp, rows);
    ops.linear(x, inner, layer.down, rows);
    if (index == LAYERS - 1) {
      ops.rmsNorm(normed, x, norm, 1e-5f, rows);
      ops.linear(logits, normed, head, rows);
    }
  }

  /** Weights of noise: the same block of bytes again and again, scales kept small and finite. */
  private record Noise(QuantFormat format, int rows, int cols, byte[] row) implements WeightSource {
    static Noise of(QuantFormat format, int rows, int cols, long seed) {
      Random random = new Random(seed);
      float[] values = new float[cols];
      for (int i = 0; i < cols; i++) {
        values[i] = (float) random.nextGaussian() * 0.02f;
      }
      byte[] row = new byte[Math.toIntExact(format.rowBytes(cols))];
      format.codec().encode(values, 0, cols, ByteBuffer.wrap(row), 0);
      return new Noise(format, rows, cols, row);
    }

    @Override
    public String name() {
      return "noise";
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      for (int i = 0; i < numRows; i++) {
        dst.put(row);
      }
    }
  }

  public static void main(String[] args) {
    int threads = args.length > 0 ? Integer.parseInt(args[0]) : 2;
    int[] rows = {1, 16, 32, 256};
    if (args.length > 1) {
      rows = Arrays.stream(args).skip(1).mapToInt(Integer::parseInt).toArray();
    }
    try (Backend backend = Backends.open("cpu", threads)) {
      System.out.println(backend.describe());
      QuantFormat q = QuantFormat.Q4_1;
      List<Layer> layers = new ArrayList<>();
      for (int i = 0; i < LAYERS; i++) {
        layers.add(
            new Layer(
                backend.weight("qkv", List.of(Noise.of(q, SHAPE.qkvCols(), HIDDEN, i))),
                backend.weight("out", List.of(Noise.of(q, HIDDEN, HIDDEN, i))),
                backend.weight("gateUp", List.of(Noise.of(q, 2 * INNER, HIDDEN, i))),
                backend.weight("down", List.of(Noise.of(q, HIDDEN, INNER, i)))));
      }
      Weight head =
          backend.weight("head", List.of(Noise.of(QuantFormat.Q8_0, VOCABULARY, HIDDEN, 1)));
      for (int count : rows) {
        new KernelBench(backend, layers, head, count).run();
      }
    }
  }
}
