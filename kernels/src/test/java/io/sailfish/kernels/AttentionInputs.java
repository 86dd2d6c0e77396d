package io.sailfish.kernels;

import java.util.Arrays;

/**
 * A step of {@code rows} rows over a filled cache: the first half of the rows is a chunk of one
 * prompt, every later row a sequence of its own with a shorter context. Blocks are dealt out in
 * reverse, so that no table is the identity. Layer 1 of 2 is used; layer 0 holds noise.
 */
final class AttentionInputs {
  private static final int LAYER = 1;

  private final AttentionShape shape;
  private final int blockTokens;
  private final int context;
  private final int rows;
  private final int stride;

  AttentionInputs(AttentionShape shape, int blockTokens, int context, int rows) {
    this.shape = shape;
    this.blockTokens = blockTokens;
    this.context = context;
    this.rows = rows;
    this.stride = (context + blockTokens - 1) / blockTokens;
  }

  private int sequence(int row) {
    return Math.max(0, row - (rows / 2 - 1));
  }

  private int position(int row) {
    return row < rows / 2 ? context - rows / 2 + row : context - 1 - (row * 7 + 1) % context;
  }

  /**
   * @param window keys that a row sees, 0 for all
   */
  float[] run(Backend backend, int window, int first, int count) {
    int sequences = sequence(rows - 1) + 1;
    KvCache cache = backend.kvCache(2, sequences * stride, blockTokens, shape);
    int[] tables = new int[sequences * stride];
    Arrays.setAll(tables, i -> tables.length - 1 - i);
    fill(backend, cache, tables, sequences);
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
            ints(backend, positions),
            unused,
            ints(backend, rowSequences),
            unused,
            ints(backend, tables),
            stride,
            unused);
    Tensor qkv = backend.floats(count, shape.qkvCols(), "qkv");
    float[] values = KernelCase.random(rows * shape.qkvCols(), 9);
    backend.write(qkv, 0, values, first * shape.qkvCols(), count * shape.qkvCols());
    Tensor y = backend.floats(count, shape.qCols(), "y");
    if (window == 0) {
      backend.ops().attention(y, qkv, cache, LAYER, step, shape, count);
    } else {
      backend.ops().slidingAttention(y, qkv, cache, LAYER, step, shape, window, count);
    }
    float[] result = new float[count * shape.qCols()];
    backend.read(y, 0, result, 0, result.length);
    return result;
  }

  /** Tokens that a sequence has. */
  private int tokens(int sequence) {
    return sequence == 0 ? context : position(sequence + rows / 2 - 1) + 1;
  }

  /** Every slot gets a key and a value; what lies past a sequence's end spoils what it touches. */
  private void fill(Backend backend, KvCache cache, int[] tables, int sequences) {
    Tensor qkv = backend.floats(blockTokens, shape.qkvCols(), "fill");
    IntTensor slots = backend.ints(blockTokens, "slots");
    int[] slotIds = new int[blockTokens];
    for (int i = 0; i < sequences * stride; i++) {
      int block = tables[i];
      Arrays.setAll(slotIds, t -> block * blockTokens + t);
      backend.write(slots, slotIds, blockTokens);
      for (int layer = 0; layer < 2; layer++) {
        float[] values = KernelCase.random(blockTokens * shape.qkvCols(), 100 + 2 * i + layer);
        int beyond = Math.max(0, tokens(i / stride) - i % stride * blockTokens);
        if (beyond < blockTokens) {
          Arrays.fill(values, beyond * shape.qkvCols(), values.length, Float.NaN);
        }
        backend.write(qkv, 0, values, 0, values.length);
        backend.ops().kvAppend(cache, layer, qkv, slots, shape, blockTokens);
      }
    }
  }

  private static IntTensor ints(Backend backend, int[] values) {
    IntTensor tensor = backend.ints(values.length, "test");
    backend.write(tensor, values, values.length);
    return tensor;
  }
}
