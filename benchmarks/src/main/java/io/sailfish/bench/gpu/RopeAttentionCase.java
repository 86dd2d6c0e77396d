package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Rows that go on by one token, each a sequence of its own: rotation, append and attention as a
 * recorded step has them, which has to have the bits of the step as it was queued; then attention
 * once more over what the step left in the cache. Blocks are dealt out in reverse; whatever lies
 * beyond a sequence's end is NaN, and so is a row's own place before the step.
 */
record RopeAttentionCase(
    OpsInputs in, AttentionShape shape, int context, int rows, boolean interleaved, Family family) {
  /**
   * In what a layer is no plain Llama's.
   *
   * @param window keys that a row sees; 0 = all
   */
  record Family(boolean biases, boolean norms, int window) {
    static final Family LLAMA = new Family(false, false, 0);

    @Override
    public String toString() {
      return (biases ? ", biases" : "")
          + (norms ? ", norms" : "")
          + (window > 0 ? ", window " + window : "");
    }
  }

  private static final int BLOCK = 16;
  private static final int LAYER = 1;

  static List<OpsCase> all(OpsInputs in) {
    List<OpsCase> cases = new ArrayList<>();
    for (boolean interleaved : new boolean[] {false, true}) {
      for (int dim = 16; dim <= 128; dim += 16) {
        AttentionShape shape = new AttentionShape(6, 2, dim);
        add(in, cases, shape, 70, 24, interleaved, new Family(true, true, 20));
      }
      add(in, cases, new AttentionShape(4, 2, 24), 40, 9, interleaved, new Family(true, true, 16));
      add(
          in,
          cases,
          new AttentionShape(20, 1, 128),
          1300,
          4,
          interleaved,
          new Family(true, true, 1100));
      add(
          in,
          cases,
          new AttentionShape(4, 2, 128),
          50,
          140,
          interleaved,
          new Family(false, true, 0));
      AttentionShape qwen = new AttentionShape(14, 2, 64);
      cases.add(
          new RopeAttentionCase(in, qwen, 90, 40, interleaved, new Family(true, false, 0))
              .asCase());
      AttentionShape mistral = new AttentionShape(8, 2, 128);
      cases.add(
          new RopeAttentionCase(in, mistral, 200, 40, interleaved, new Family(false, false, 90))
              .asCase());
    }
    return cases;
  }

  private static void add(
      OpsInputs in,
      List<OpsCase> cases,
      AttentionShape shape,
      int context,
      int rows,
      boolean interleaved,
      Family family) {
    for (Family each : List.of(Family.LLAMA, family)) {
      if (in.hasAttention(shape.headDim(), each.equals(Family.LLAMA))) {
        cases.add(new RopeAttentionCase(in, shape, context, rows, interleaved, each).asCase());
      }
    }
  }

  private OpsCase asCase() {
    String name =
        "rope, attention %d/%d heads of %d%s, context %d%s"
            .formatted(
                shape.heads(),
                shape.kvHeads(),
                shape.headDim(),
                interleaved ? " interleaved" : "",
                context,
                family);
    return new OpsCase(name, rows, 2e-3, this::run);
  }

  private int position(int row) {
    return context - 1 - (row * 7 + 1) % context;
  }

  private float[] run(Backend backend, Ops ops, int first, int count) {
    int stride = (context + BLOCK - 1) / BLOCK;
    int[] tables = new int[count * stride];
    Arrays.setAll(tables, i -> tables.length - 1 - i);
    int[] positions = new int[count];
    int[] slots = new int[count];
    int[] sequences = new int[count];
    for (int i = 0; i < count; i++) {
      positions[i] = position(first + i);
      sequences[i] = i;
      slots[i] = slot(tables, stride, i, positions[i]);
    }
    KvCache cache = backend.kvCache(2, tables.length, BLOCK, shape);
    fill(backend, ops, cache, tables, positions, first);
    IntTensor unused = backend.ints(1, "unused");
    StepInputs step =
        new StepInputs(
            unused,
            OpsCase.ints(backend, positions),
            OpsCase.ints(backend, slots),
            OpsCase.ints(backend, sequences),
            unused,
            OpsCase.ints(backend, tables),
            stride,
            unused);
    return attend(backend, ops, cache, step, first, count);
  }

  /**
   * The step runs once as it is and once recorded; what it appended is taken out of the cache in
   * between. Returns what it gave, and what attention finds in the cache afterwards, row by row.
   */
  private float[] attend(
      Backend backend, Ops ops, KvCache cache, StepInputs step, int first, int count) {
    Tensor product = in.rows(backend, shape.qkvCols(), 9, first, count);
    int[] ids = new int[count];
    Arrays.setAll(ids, i -> i);
    IntTensor order = OpsCase.ints(backend, ids);
    Tensor angles = in.exactRows(backend, context, shape.headDim(), 5);
    LayerAttention how = how(backend, angles);
    Tensor qkv = backend.floats(count, shape.qkvCols(), "qkv");
    Tensor y = backend.floats(count, shape.qCols(), "y");
    Runnable work =
        () -> {
          ops.gatherRows(qkv, product, order, count);
          ops.ropeAttention(y, qkv, how, step, cache, LAYER, shape, count);
        };
    Object key = new Object();
    backend.replay(key, work);
    float[] queued = OpsCase.read(backend, y);
    Tensor nothing = backend.floats(count, shape.qkvCols(), "no keys");
    float[] nan = new float[count * shape.qkvCols()];
    Arrays.fill(nan, Float.NaN);
    backend.write(nothing, 0, nan, 0, nan.length);
    ops.kvAppend(cache, LAYER, nothing, step.slots(), shape, count);
    backend.replay(key, work);
    float[] result = new float[count * 2 * shape.qCols()];
    float[] recorded = OpsCase.read(backend, y);
    requireSame(queued, recorded);
    put(result, recorded, 0);
    ops.gatherRows(qkv, product, order, count);
    // Keys and values go to the other layer, so that attention finds what the step appended.
    ops.ropeAppend(qkv, how, step, cache, 1 - LAYER, shape, count);
    if (how.window() == 0) {
      ops.attention(y, qkv, cache, LAYER, step, shape, count);
    } else {
      ops.slidingAttention(y, qkv, cache, LAYER, step, shape, how.window(), count);
    }
    put(result, OpsCase.read(backend, y), shape.qCols());
    return result;
  }

  private LayerAttention how(Backend backend, Tensor angles) {
    Tensor bias = family.biases() ? in.exactRows(backend, 1, shape.qkvCols(), 11) : null;
    Tensor qNorm = family.norms() ? in.exactRows(backend, 1, shape.headDim(), 12) : null;
    Tensor kNorm = family.norms() ? in.exactRows(backend, 1, shape.headDim(), 13) : null;
    return new LayerAttention(angles, interleaved, bias, qNorm, kNorm, 1e-6f, family.window());
  }

  private void requireSame(float[] queued, float[] recorded) {
    for (int i = 0; i < queued.length; i++) {
      if (Float.floatToRawIntBits(queued[i]) != Float.floatToRawIntBits(recorded[i])) {
        String place =
            "row %d column %d of a recorded step".formatted(i / shape.qCols(), i % shape.qCols());
        throw new KernelException("ropeAttention", place, queued[i], recorded[i]);
      }
    }
  }

  private void put(float[] result, float[] rows, int column) {
    int cols = shape.qCols();
    for (int row = 0; row < rows.length / cols; row++) {
      System.arraycopy(rows, row * cols, result, row * 2 * cols + column, cols);
    }
  }

  private static int slot(int[] tables, int stride, int sequence, int position) {
    return tables[sequence * stride + position / BLOCK] * BLOCK + position % BLOCK;
  }

  private void fill(
      Backend backend, Ops ops, KvCache cache, int[] tables, int[] positions, int first) {
    int stride = tables.length / positions.length;
    int perSequence = stride * BLOCK;
    for (int sequence = 0; sequence < positions.length; sequence++) {
      float[] values = in.random(perSequence * shape.qkvCols(), 100 + first + sequence);
      Arrays.fill(values, positions[sequence] * shape.qkvCols(), values.length, Float.NaN);
      Tensor qkv = backend.floats(perSequence, shape.qkvCols(), "fill");
      backend.write(qkv, 0, values, 0, values.length);
      int[] slots = new int[perSequence];
      for (int t = 0; t < perSequence; t++) {
        slots[t] = slot(tables, stride, sequence, t);
      }
      ops.kvAppend(cache, LAYER, qkv, OpsCase.ints(backend, slots), shape, perSequence);
    }
  }
}
