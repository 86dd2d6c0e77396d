package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;

/**
 * The operators that users run: weights in panels, spread over threads, inner loops of a {@link
 * PanelMath}. Which thread computes what changes no bit: an element of a result is computed whole,
 * by one thread, in the order that its shape gives.
 */
final class VectorOps implements Ops {
  /** Elements below which an operator is not worth handing to other threads. */
  private static final int SERIAL_ELEMENTS = 1 << 15;

  /** Rows whose tile (32 columns wide) still fits the first-level cache beside a panel's chunk. */
  private static final int TILE_ROWS = 128;

  private final Parallel parallel;
  private final PanelMath math;
  private final PanelProduct product;
  private final PagedAttention attention;

  VectorOps(Parallel parallel, PanelMath math) {
    this.parallel = parallel;
    this.math = math;
    this.product = new PanelProduct(math, parallel);
    this.attention = new PagedAttention(math, parallel);
  }

  @Override
  public void embed(Tensor y, Weight table, IntTensor tokenIds, int rows) {
    OpChecks.embed(y, table, tokenIds, rows);
    int cols = y.cols();
    eachRow(
        rows, cols, row -> ((CpuWeight) table).decodeRow(ints(tokenIds)[row], data(y), row * cols));
  }

  @Override
  public void rmsNorm(Tensor y, Tensor x, Tensor weight, float eps, int rows) {
    OpChecks.rmsNorm(y, x, weight, rows);
    int cols = x.cols();
    eachRow(
        rows,
        cols,
        row -> {
          float mean = math.sumOfSquares(data(x), row * cols, cols) / cols;
          float scale = (float) (1 / Math.sqrt(mean + eps));
          math.scale(data(y), row * cols, data(x), row * cols, data(weight), scale, cols);
        });
  }

  private interface RowTask {
    void run(int row);
  }

  private void eachRow(int rows, int cols, RowTask task) {
    if ((long) rows * cols < SERIAL_ELEMENTS) {
      for (int row = 0; row < rows; row++) {
        task.run(row);
      }
    } else {
      parallel.run(rows, (row, worker) -> task.run(row));
    }
  }

  @Override
  public void linear(Tensor y, Tensor x, Weight w, int rows) {
    OpChecks.linear("linear", y, x, w, rows);
    product.load(data(x), rows, x.cols());
    eachPanel(
        (PanelWeight) w,
        ((PanelWeight) w).numPanels(),
        rows,
        (tile, worker) -> product.store(tile, data(y), false, worker));
  }

  @Override
  public void linearAdd(Tensor y, Tensor x, Weight w, int rows) {
    OpChecks.linear("linearAdd", y, x, w, rows);
    product.load(data(x), rows, x.cols());
    eachPanel(
        (PanelWeight) w,
        ((PanelWeight) w).numPanels(),
        rows,
        (tile, worker) -> product.store(tile, data(y), true, worker));
  }

  @Override
  public void swiGlu(Tensor y, Tensor x, Weight gateUp, int rows) {
    OpChecks.swiGlu(y, x, gateUp, rows);
    PanelWeight w = (PanelWeight) gateUp;
    product.load(data(x), rows, x.cols());
    if (w.halvesAlign()) {
      eachPanel(
          w, w.numPanels() / 2, rows, (tile, worker) -> product.swiGlu(tile, data(y), worker));
      return;
    }
    // Gate and up do not start at the same column of a panel: through memory, the same bits.
    float[] both = new float[Math.multiplyExact(rows, w.rows())];
    eachPanel(w, w.numPanels(), rows, (tile, worker) -> product.store(tile, both, false, worker));
    int inner = y.cols();
    eachRow(
        rows, 2 * inner, row -> product.gate(both, row * 2 * inner, data(y), row * inner, inner));
  }

  private interface TileTask {
    void run(PanelProduct.Tile tile, int worker);
  }

  /** Panels by chunks of rows; a chunk decodes the panel again, which costs it some percent. */
  private void eachPanel(PanelWeight w, int panels, int rows, TileTask task) {
    int rowChunks = (rows + TILE_ROWS - 1) / TILE_ROWS;
    parallel.run(
        panels * rowChunks,
        (item, worker) -> {
          int firstRow = item / panels * TILE_ROWS;
          int count = Math.min(TILE_ROWS, rows - firstRow);
          task.run(new PanelProduct.Tile(w, item % panels, firstRow, count), worker);
        });
  }

  @Override
  public void rope(
      Tensor qkv,
      Tensor cosSin,
      IntTensor positions,
      AttentionShape shape,
      boolean interleaved,
      int rows) {
    OpChecks.rope(qkv, cosSin, positions, shape, rows);
    int dim = shape.headDim();
    int rotated = (shape.heads() + shape.kvHeads()) * dim;
    eachRow(
        rows,
        rotated,
        row -> {
          int first = row * qkv.cols();
          int table = ints(positions)[row] * dim;
          for (int at = first; at < first + rotated; at += dim) {
            if (interleaved) {
              Rope.neighbours(data(qkv), at, data(cosSin), table, dim / 2);
            } else {
              Rope.halves(data(qkv), at, data(cosSin), table, dim / 2);
            }
          }
        });
  }

  @Override
  public void kvAppend(
      KvCache cache, int layer, Tensor qkv, IntTensor slots, AttentionShape shape, int rows) {
    OpChecks.kvAppend(cache, layer, qkv, slots, shape, rows);
    for (int r = 0; r < rows; r++) {
      for (int head = 0; head < shape.kvHeads(); head++) {
        int key = r * shape.qkvCols() + shape.qCols() + head * shape.headDim();
        int value = key + shape.kvCols();
        ((CpuKvCache) cache).put(layer, ints(slots)[r], head, data(qkv), key, value);
      }
    }
  }

  @Override
  public void kvCopy(KvCache cache, int fromBlock, int toBlock) {
    OpChecks.kvCopy(cache, fromBlock, toBlock);
    ((CpuKvCache) cache).copy(fromBlock, toBlock);
  }

  @Override
  public void attention(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int rows) {
    slidingAttention(y, qkv, cache, layer, step, shape, Integer.MAX_VALUE, rows);
  }

  @Override
  public void slidingAttention(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int window,
      int rows) {
    OpChecks.attention(y, qkv, cache, layer, step, shape, rows);
    OpChecks.window(window);
    attention.run(data(y), data(qkv), (CpuKvCache) cache, layer, step, window, rows);
  }

  @Override
  public void gatherRows(Tensor y, Tensor x, IntTensor rowIds, int numRows) {
    OpChecks.gatherRows(y, x, rowIds, numRows);
    for (int i = 0; i < numRows; i++) {
      System.arraycopy(data(x), ints(rowIds)[i] * x.cols(), data(y), i * y.cols(), y.cols());
    }
  }

  @Override
  public void addBias(Tensor y, Tensor bias, int rows) {
    OpChecks.addBias(y, bias, rows);
    int cols = y.cols();
    for (int i = 0; i < rows * cols; i++) {
      data(y)[i] += data(bias)[i % cols];
    }
  }

  @Override
  public void headNorm(
      Tensor qkv, Tensor qWeight, Tensor kWeight, float eps, AttentionShape shape, int rows) {
    OpChecks.headNorm(qkv, qWeight, kWeight, shape, rows);
    int dim = shape.headDim();
    for (int r = 0; r < rows; r++) {
      for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
        int at = r * shape.qkvCols() + head * dim;
        float[] weight = data(head < shape.heads() ? qWeight : kWeight);
        float mean = math.sumOfSquares(data(qkv), at, dim) / dim;
        float scale = (float) (1 / Math.sqrt(mean + eps));
        math.scale(data(qkv), at, data(qkv), at, weight, scale, dim);
      }
    }
  }

  @Override
  public void gatherCols(Tensor y, Tensor x, IntTensor order, int rows) {
    OpChecks.gatherCols(y, x, order, rows);
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < y.cols(); c++) {
        data(y)[r * y.cols() + c] = data(x)[r * x.cols() + ints(order)[c]];
      }
    }
  }

  private static float[] data(Tensor tensor) {
    return ((CpuTensor) tensor).data;
  }

  private static int[] ints(IntTensor tensor) {
    return ((CpuInts) tensor).data;
  }
}
