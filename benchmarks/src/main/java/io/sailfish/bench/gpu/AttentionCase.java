package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Attention over a filled paged cache: the first half of the rows is a chunk of one prompt, every
 * later row a sequence of its own with a shorter context. Blocks are dealt out in reverse, layer 1
 * of 2 is used, and whatever lies beyond a sequence's end is NaN.
 *
 * @param window keys that a row sees; 0 = all
 */
record AttentionCase(OpsInputs in, AttentionShape shape, int context, int rows, int window) {
  private static final int BLOCK = 16;
  private static final int LAYER = 1;

  /** Of keys and values: scores far from zero, whose rounding would show in other company. */
  private static final float SPREAD = 8;

  static List<OpsCase> all(OpsInputs in) {
    List<OpsCase> cases = new ArrayList<>();
    add(in, cases, new AttentionShape(9, 3, 64), 67, 24, 0, 1, 16, 33);
    add(in, cases, new AttentionShape(8, 2, 128), 300, 150, 0, 65);
    add(in, cases, new AttentionShape(8, 2, 128), 1300, 20, 0, 1100);
    add(in, cases, new AttentionShape(4, 2, 24), 40, 40, 0, 17);
    add(in, cases, new AttentionShape(4, 2, 16), 129, 70, 0, 64);
    add(in, cases, new AttentionShape(4, 4, 80), 200, 20, 0, 100);
    add(in, cases, new AttentionShape(6, 2, 96), 200, 20, 0, 31);
    add(in, cases, new AttentionShape(16, 1, 48), 257, 20, 0, 300);
    add(in, cases, new AttentionShape(20, 1, 112), 150, 10, 0, 90);
    add(in, cases, new AttentionShape(2, 1, 128), 9000, 6, 0, 4096);
    return cases;
  }

  private static void add(
      OpsInputs in,
      List<OpsCase> cases,
      AttentionShape shape,
      int context,
      int rows,
      int... windows) {
    for (int window : windows) {
      if (in.hasAttention(shape.headDim(), window == 0)) {
        cases.add(new AttentionCase(in, shape, context, rows, window).asCase());
      }
    }
  }

  private OpsCase asCase() {
    String name =
        "attention %d/%d heads of %d, context %d%s"
            .formatted(
                shape.heads(),
                shape.kvHeads(),
                shape.headDim(),
                context,
                window == 0 ? "" : ", window " + window);
    return new OpsCase(name, rows, 2e-3, this::run);
  }

  private int sequence(int row) {
    return Math.max(0, row - (rows / 2 - 1));
  }

  private int position(int row) {
    return row < rows / 2 ? context - rows / 2 + row : context - 1 - (row * 7 + 1) % context;
  }

  private int tokens(int sequence) {
    return sequence == 0 ? context : position(sequence + rows / 2 - 1) + 1;
  }

  private float[] run(Backend backend, Ops ops, int first, int count) {
    int stride = (context + BLOCK - 1) / BLOCK;
    int sequences = sequence(rows - 1) + 1;
    int[] tables = new int[sequences * stride];
    Arrays.setAll(tables, i -> tables.length - 1 - i);
    KvCache cache = backend.kvCache(2, tables.length, BLOCK, shape);
    fill(backend, ops, cache, tables, stride);
    int[] positions = new int[count];
    int[] rowSequences = new int[count];
    for (int i = 0; i < count; i++) {
      positions[i] = position(first + i);
      rowSequences[i] = sequence(first + i);
    }
    IntTensor unused = backend.ints(1, "unused");
    StepInputs step =
        new StepInputs(
            unused,
            OpsCase.ints(backend, positions),
            unused,
            OpsCase.ints(backend, rowSequences),
            unused,
            OpsCase.ints(backend, tables),
            stride,
            unused);
    Tensor qkv = in.rows(backend, shape.qkvCols(), 9, first, count);
    Tensor y = backend.floats(count, shape.qCols(), "y");
    if (window == 0) {
      ops.attention(y, qkv, cache, LAYER, step, shape, count);
    } else {
      ops.slidingAttention(y, qkv, cache, LAYER, step, shape, window, count);
    }
    return OpsCase.read(backend, y);
  }

  private void fill(Backend backend, Ops ops, KvCache cache, int[] tables, int stride) {
    int perSequence = stride * BLOCK;
    for (int sequence = 0; sequence < tables.length / stride; sequence++) {
      Tensor qkv = backend.floats(perSequence, shape.qkvCols(), "fill");
      int[] slots = new int[perSequence];
      for (int t = 0; t < perSequence; t++) {
        slots[t] = tables[sequence * stride + t / BLOCK] * BLOCK + t % BLOCK;
      }
      IntTensor to = OpsCase.ints(backend, slots);
      for (int layer = 0; layer < 2; layer++) {
        float[] values = in.random(perSequence * shape.qkvCols(), 100 + 2 * sequence + layer);
        for (int i = 0; i < values.length; i++) {
          values[i] *= SPREAD;
        }
        Arrays.fill(values, tokens(sequence) * shape.qkvCols(), values.length, Float.NaN);
        backend.write(qkv, 0, values, 0, values.length);
        ops.kvAppend(cache, layer, qkv, to, shape, perSequence);
      }
    }
  }
}
