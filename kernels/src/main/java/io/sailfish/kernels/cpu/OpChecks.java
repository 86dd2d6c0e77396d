package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;

/** The shape rules of {@link io.sailfish.kernels.Ops}, the same for every CPU implementation. */
final class OpChecks {
  private OpChecks() {}

  static void embed(Tensor y, Weight table, IntTensor tokenIds, int rows) {
    rows("embed", "y", y, rows);
    same("embed", "y.cols", table.cols(), y.cols());
    indices("embed", "tokenIds", tokenIds, rows, table.rows());
  }

  static void rmsNorm(Tensor y, Tensor x, Tensor weight, int rows) {
    rows("rmsNorm", "y", y, rows);
    rows("rmsNorm", "x", x, rows);
    same("rmsNorm", "y.cols", x.cols(), y.cols());
    same("rmsNorm", "weight.rows", 1, weight.rows());
    same("rmsNorm", "weight.cols", x.cols(), weight.cols());
  }

  static void linear(String op, Tensor y, Tensor x, Weight w, int rows) {
    product(op, y, x, w, rows);
    same(op, "y.cols", w.rows(), y.cols());
  }

  static void swiGlu(Tensor y, Tensor x, Weight gateUp, int rows) {
    product("swiGlu", y, x, gateUp, rows);
    same("swiGlu", "gateUp.rows", 2 * (long) y.cols(), gateUp.rows());
  }

  private static void product(String op, Tensor y, Tensor x, Weight w, int rows) {
    rows(op, "y", y, rows);
    rows(op, "x", x, rows);
    if (y == x) {
      throw new KernelException(op, "y", "another tensor than x", "x itself");
    }
    same(op, "x.cols", w.cols(), x.cols());
  }

  static void rope(Tensor qkv, Tensor cosSin, IntTensor positions, AttentionShape shape, int rows) {
    rows("rope", "qkv", qkv, rows);
    same("rope", "qkv.cols", shape.qkvCols(), qkv.cols());
    if (shape.headDim() % 2 != 0) {
      throw new KernelException("rope", "headDim", "an even number", shape.headDim());
    }
    same("rope", "cosSin.cols", shape.headDim(), cosSin.cols());
    indices("rope", "positions", positions, rows, cosSin.rows());
  }

  static void addBias(Tensor y, Tensor bias, int rows) {
    rows("addBias", "y", y, rows);
    same("addBias", "bias.rows", 1, bias.rows());
    same("addBias", "bias.cols", y.cols(), bias.cols());
  }

  static void headNorm(Tensor qkv, Tensor qWeight, Tensor kWeight, AttentionShape shape, int rows) {
    rows("headNorm", "qkv", qkv, rows);
    same("headNorm", "qkv.cols", shape.qkvCols(), qkv.cols());
    same("headNorm", "qWeight.cols", shape.headDim(), qWeight.cols());
    same("headNorm", "kWeight.cols", shape.headDim(), kWeight.cols());
  }

  static void window(int window) {
    if (window <= 0) {
      throw new KernelException("slidingAttention", "window", "a positive number", window);
    }
  }

  static void gatherCols(Tensor y, Tensor x, IntTensor order, int rows) {
    rows("gatherCols", "y", y, rows);
    rows("gatherCols", "x", x, rows);
    if (y == x) {
      throw new KernelException("gatherCols", "y", "another tensor than x", "x itself");
    }
    same("gatherCols", "order.length", y.cols(), order.length());
    indices("gatherCols", "order", order, y.cols(), x.cols());
  }

  static void kvAppend(
      KvCache cache, int layer, Tensor qkv, IntTensor slots, AttentionShape shape, int rows) {
    rows("kvAppend", "qkv", qkv, rows);
    same("kvAppend", "qkv.cols", shape.qkvCols(), qkv.cols());
    cache("kvAppend", cache, layer, shape);
    long numSlots = (long) cache.numBlocks() * cache.blockTokens();
    indices("kvAppend", "slots", slots, rows, numSlots);
  }

  static void kvCopy(KvCache cache, int fromBlock, int toBlock) {
    block("kvCopy", "fromBlock", cache, fromBlock);
    block("kvCopy", "toBlock", cache, toBlock);
  }

  private static void block(String op, String argument, KvCache cache, int block) {
    if (block < 0 || block >= cache.numBlocks()) {
      throw new KernelException(op, argument, "0.." + (cache.numBlocks() - 1), block);
    }
  }

  static void attention(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int rows) {
    String op = "attention";
    rows(op, "y", y, rows);
    rows(op, "qkv", qkv, rows);
    same(op, "y.cols", shape.qCols(), y.cols());
    same(op, "qkv.cols", shape.qkvCols(), qkv.cols());
    cache(op, cache, layer, shape);
    int stride = step.blockTableStride();
    if (stride <= 0) {
      throw new KernelException(op, "blockTableStride", "a positive number", stride);
    }
    long reach = (long) stride * cache.blockTokens();
    indices(op, "positions", step.positions(), rows, reach);
    int sequences = step.blockTables().length() / stride;
    indices(op, "rowSequences", step.rowSequences(), rows, sequences);
    blocks(op, cache, step, rows);
  }

  /** Every block id that some row will read. */
  private static void blocks(String op, KvCache cache, StepInputs step, int rows) {
    int[] positions = ((CpuInts) step.positions()).data;
    int[] sequences = ((CpuInts) step.rowSequences()).data;
    int[] tables = ((CpuInts) step.blockTables()).data;
    for (int r = 0; r < rows; r++) {
      boolean lastOfSequence = r + 1 == rows || sequences[r + 1] != sequences[r];
      int first = sequences[r] * step.blockTableStride();
      for (int b = 0; lastOfSequence && b <= positions[r] / cache.blockTokens(); b++) {
        int block = tables[first + b];
        block(op, "blockTables[%d][%d]".formatted(sequences[r], b), cache, block);
      }
    }
  }

  private static void cache(String op, KvCache cache, int layer, AttentionShape shape) {
    CpuKvCache own = (CpuKvCache) cache;
    if (!own.shape.equals(shape)) {
      throw new KernelException(op, "shape", own.shape + " as the cache was made for", shape);
    }
    if (layer < 0 || layer >= own.layers) {
      throw new KernelException(op, "layer", "0.." + (own.layers - 1), layer);
    }
  }

  static void gatherRows(Tensor y, Tensor x, IntTensor rowIds, int numRows) {
    rows("gatherRows", "y", y, numRows);
    same("gatherRows", "y.cols", x.cols(), y.cols());
    if (y == x) {
      throw new KernelException("gatherRows", "y", "another tensor than x", "x itself");
    }
    indices("gatherRows", "rowIds", rowIds, numRows, x.rows());
  }

  private static void rows(String op, String argument, Tensor tensor, int rows) {
    if (rows < 0 || rows > tensor.rows()) {
      throw new KernelException(op, argument + ".rows", "at least rows=" + rows, tensor.rows());
    }
  }

  private static void same(String op, String argument, long expected, long got) {
    if (expected != got) {
      throw new KernelException(op, argument, expected, got);
    }
  }

  private static void indices(String op, String argument, IntTensor ints, int count, long limit) {
    if (ints.length() < count) {
      throw new KernelException(op, argument + ".length", "at least " + count, ints.length());
    }
    int[] data = ((CpuInts) ints).data;
    for (int i = 0; i < count; i++) {
      if (data[i] < 0 || data[i] >= limit) {
        throw new KernelException(
            op, "%s[%d]".formatted(argument, i), "0.." + (limit - 1), data[i]);
      }
    }
  }
}
