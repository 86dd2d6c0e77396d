package io.sailfish.kernels;

import io.sailfish.kernels.format.QuantFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * One operator on one shape, as a program over {@link Ops} that any backend can run. {@link #run}
 * works on the first {@code rows} of {@link #rows()} rows of random inputs that depend on the seed
 * alone, starting at {@code firstRow}; so the result of a row can be compared over all batch sizes.
 */
record KernelCase(String name, int rows, double tolerance, Program program) {
  interface Program {
    /** Returns {@code [count, cols]} row-major. */
    float[] run(Backend backend, int firstRow, int count);
  }

  float[] run(Backend backend, int firstRow, int count) {
    return program.run(backend, firstRow, count);
  }

  @Override
  public String toString() {
    return name;
  }

  /** Relative to the largest magnitude of the result. fp32 chains over 1536 inputs stay below. */
  private static final double CLOSE = 1e-5;

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    for (QuantFormat format : QuantFormat.values()) {
      int length = format.blockLength();
      cases.add(linear("linear smallest", 1, length, new Part(format, 1)));
      cases.add(linear("linear odd", 7, 3 * length, new Part(format, 33), new Part(format, 5)));
      cases.add(embed(format));
    }
    QuantFormat q = QuantFormat.Q4_1;
    cases.add(linear("linear qkv", 15, 576, new Part(q, 576), new Part(q, 192), new Part(q, 192)));
    cases.add(linear("linear mixed", 13, 64, new Part(q, 40), new Part(QuantFormat.F16, 8)));
    cases.add(linear("linear long", 16, 1536, new Part(QuantFormat.Q8_0, 64)));
    cases.add(linear("linear one input", 6, 1, new Part(QuantFormat.F32, 17)));
    cases.add(linear("linear odd inputs", 9, 131, new Part(QuantFormat.BF16, 50)));
    cases.add(linearAdd());
    cases.add(swiGlu("swiGlu aligned", 11, 576, 96, 1));
    cases.add(swiGlu("swiGlu in two parts", 5, 64, 40, 2));
    cases.add(swiGlu("swiGlu unaligned", 5, 64, 40, 1));
    for (int cols : new int[] {1, 17, 576, 2048}) {
      cases.add(rmsNorm(cols));
    }
    cases.add(rope("rope neighbours", new AttentionShape(3, 1, 64), true));
    cases.add(rope("rope halves", new AttentionShape(4, 2, 6), false));
    cases.add(attention("attention SmolLM2", new AttentionShape(9, 3, 64), 16, 67));
    cases.add(attention("attention odd", new AttentionShape(4, 2, 10), 5, 23));
    cases.add(attention("attention one head", new AttentionShape(1, 1, 32), 1, 9));
    cases.add(attention("attention wide group", new AttentionShape(16, 1, 48), 32, 40));
    cases.add(attention("attention 80", new AttentionShape(4, 2, 80), 16, 50));
    cases.add(attention("attention 96", new AttentionShape(3, 3, 96), 16, 35));
    cases.add(attention("attention 128", new AttentionShape(8, 2, 128), 16, 67));
    cases.add(window(new AttentionShape(4, 2, 10), 5, 23, 7));
    cases.add(window(new AttentionShape(9, 3, 64), 16, 67, 1));
    cases.add(window(new AttentionShape(9, 3, 64), 16, 67, 33));
    cases.add(window(new AttentionShape(2, 1, 16), 4, 19, 64));
    cases.add(addBias());
    cases.add(headNorm(new AttentionShape(3, 1, 20)));
    cases.add(headNorm(new AttentionShape(4, 2, 128)));
    cases.add(gatherCols());
    return cases;
  }

  private record Part(QuantFormat format, int rows) {}

  private static List<WeightSource> sources(int cols, Part... parts) {
    List<WeightSource> sources = new ArrayList<>();
    for (Part part : parts) {
      long seed = 31 + sources.size();
      sources.add(new EncodedSource("part" + seed, part.format, part.rows, cols, seed));
    }
    return sources;
  }

  static float[] random(int count, long seed) {
    Random random = new Random(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Rows {@code [first, first + count)} of a random matrix. */
  private static Tensor rows(Backend backend, int cols, long seed, int first, int count) {
    Tensor tensor = backend.floats(count, cols, "test");
    backend.write(tensor, 0, random((first + count) * cols, seed), first * cols, count * cols);
    return tensor;
  }

  private static IntTensor ints(Backend backend, int... values) {
    IntTensor tensor = backend.ints(values.length, "test");
    backend.write(tensor, values, values.length);
    return tensor;
  }

  private static float[] read(Backend backend, Tensor tensor) {
    float[] values = new float[tensor.rows() * tensor.cols()];
    backend.read(tensor, 0, values, 0, values.length);
    return values;
  }

  private static KernelCase linear(String name, int rows, int cols, Part... parts) {
    return new KernelCase(
        "%s %s %dx%d".formatted(name, parts[0].format.id(), rows, cols),
        rows,
        CLOSE,
        (backend, first, count) -> {
          Weight w = backend.weight("w", sources(cols, parts));
          Tensor y = backend.floats(count, w.rows(), "y");
          backend.ops().linear(y, rows(backend, cols, 1, first, count), w, count);
          return read(backend, y);
        });
  }

  private static KernelCase linearAdd() {
    return new KernelCase(
        "linearAdd",
        10,
        CLOSE,
        (backend, first, count) -> {
          Weight w = backend.weight("w", sources(96, new Part(QuantFormat.Q4_0, 70)));
          Tensor y = rows(backend, 70, 2, first, count);
          backend.ops().linearAdd(y, rows(backend, 96, 1, first, count), w, count);
          return read(backend, y);
        });
  }

  private static KernelCase swiGlu(String name, int rows, int cols, int inner, int numParts) {
    return new KernelCase(
        name,
        rows,
        CLOSE,
        (backend, first, count) -> {
          Part whole = new Part(QuantFormat.Q4_1, 2 * inner);
          Part half = new Part(QuantFormat.Q4_1, inner);
          Part[] parts = numParts == 1 ? new Part[] {whole} : new Part[] {half, half};
          Weight w = backend.weight("gateUp", sources(cols, parts));
          Tensor y = backend.floats(count, inner, "y");
          backend.ops().swiGlu(y, rows(backend, cols, 1, first, count), w, count);
          return read(backend, y);
        });
  }

  private static KernelCase embed(QuantFormat format) {
    int cols = 2 * format.blockLength();
    return new KernelCase(
        "embed " + format.id(),
        9,
        0,
        (backend, first, count) -> {
          Weight table = backend.weight("table", sources(cols, new Part(format, 70)));
          int[] ids = new int[count];
          for (int i = 0; i < count; i++) {
            ids[i] = (first + i) * 37 % 70;
          }
          Tensor y = backend.floats(count, cols, "y");
          backend.ops().embed(y, table, ints(backend, ids), count);
          return read(backend, y);
        });
  }

  private static KernelCase rmsNorm(int cols) {
    return new KernelCase(
        "rmsNorm " + cols,
        70,
        2e-6,
        (backend, first, count) -> {
          Tensor x = rows(backend, cols, 5, first, count);
          backend.ops().rmsNorm(x, x, rows(backend, cols, 6, 0, 1), 1e-5f, count);
          return read(backend, x);
        });
  }

  private static KernelCase rope(String name, AttentionShape shape, boolean interleaved) {
    return new KernelCase(
        name,
        8,
        1e-6,
        (backend, first, count) -> {
          Tensor qkv = rows(backend, shape.qkvCols(), 7, first, count);
          int[] positions = new int[count];
          for (int i = 0; i < count; i++) {
            positions[i] = (first + i) * 3 % 11;
          }
          Tensor table = rows(backend, shape.headDim(), 8, 0, 11);
          backend.ops().rope(qkv, table, ints(backend, positions), shape, interleaved, count);
          return read(backend, qkv);
        });
  }

  private static KernelCase attention(
      String name, AttentionShape shape, int blockTokens, int context) {
    return new KernelCase(
        name,
        10,
        CLOSE,
        (backend, first, count) -> {
          AttentionInputs inputs = new AttentionInputs(shape, blockTokens, context, 10);
          return inputs.run(backend, 0, first, count);
        });
  }

  private static KernelCase window(AttentionShape shape, int blockTokens, int context, int window) {
    return new KernelCase(
        "slidingAttention " + window,
        10,
        CLOSE,
        (backend, first, count) -> {
          AttentionInputs inputs = new AttentionInputs(shape, blockTokens, context, 10);
          return inputs.run(backend, window, first, count);
        });
  }

  private static KernelCase addBias() {
    return new KernelCase(
        "addBias",
        7,
        0,
        (backend, first, count) -> {
          Tensor y = rows(backend, 37, 3, first, count);
          backend.ops().addBias(y, rows(backend, 37, 4, 0, 1), count);
          return read(backend, y);
        });
  }

  private static KernelCase headNorm(AttentionShape shape) {
    return new KernelCase(
        "headNorm " + shape.headDim(),
        6,
        2e-6,
        (backend, first, count) -> {
          Tensor qkv = rows(backend, shape.qkvCols(), 3, first, count);
          Tensor q = rows(backend, shape.headDim(), 4, 0, 1);
          Tensor k = rows(backend, shape.headDim(), 5, 0, 1);
          backend.ops().headNorm(qkv, q, k, 1e-6f, shape, count);
          return read(backend, qkv);
        });
  }

  private static KernelCase gatherCols() {
    return new KernelCase(
        "gatherCols",
        5,
        0,
        (backend, first, count) -> {
          int[] order = new int[41];
          for (int i = 0; i < order.length; i++) {
            order[i] = i * 17 % 41;
          }
          Tensor y = backend.floats(count, 41, "y");
          backend
              .ops()
              .gatherCols(y, rows(backend, 41, 3, first, count), ints(backend, order), count);
          return read(backend, y);
        });
  }
}
