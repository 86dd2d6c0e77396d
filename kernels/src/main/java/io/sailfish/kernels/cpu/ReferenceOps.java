package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;

/**
 * The definition of every operator: plain loops over one element at a time, sums and functions in
 * double, rounded to float where a tensor is written. Slow on purpose; the oracle of all tests.
 */
final class ReferenceOps implements Ops {
  @Override
  public void embed(Tensor y, Weight table, IntTensor tokenIds, int rows) {
    OpChecks.embed(y, table, tokenIds, rows);
    for (int r = 0; r < rows; r++) {
      ((CpuWeight) table).decodeRow(ints(tokenIds)[r], data(y), r * y.cols());
    }
  }

  @Override
  public void rmsNorm(Tensor y, Tensor x, Tensor weight, float eps, int rows) {
    OpChecks.rmsNorm(y, x, weight, rows);
    int cols = x.cols();
    for (int r = 0; r < rows; r++) {
      double squares = 0;
      for (int c = 0; c < cols; c++) {
        double value = data(x)[r * cols + c];
        squares += value * value;
      }
      double scale = 1 / Math.sqrt(squares / cols + eps);
      for (int c = 0; c < cols; c++) {
        data(y)[r * cols + c] = (float) (data(x)[r * cols + c] * scale * data(weight)[c]);
      }
    }
  }

  @Override
  public void linear(Tensor y, Tensor x, Weight w, int rows) {
    OpChecks.linear("linear", y, x, w, rows);
    store(data(y), product(x, w, rows), false);
  }

  @Override
  public void linearAdd(Tensor y, Tensor x, Weight w, int rows) {
    OpChecks.linear("linearAdd", y, x, w, rows);
    store(data(y), product(x, w, rows), true);
  }

  private static void store(float[] y, double[] product, boolean add) {
    for (int i = 0; i < product.length; i++) {
      y[i] = (float) (add ? y[i] + product[i] : product[i]);
    }
  }

  @Override
  public void swiGlu(Tensor y, Tensor x, Weight gateUp, int rows) {
    OpChecks.swiGlu(y, x, gateUp, rows);
    double[] product = product(x, gateUp, rows);
    int inner = y.cols();
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < inner; c++) {
        double gate = product[r * 2 * inner + c];
        double up = product[r * 2 * inner + inner + c];
        data(y)[r * inner + c] = (float) (gate / (1 + Math.exp(-gate)) * up);
      }
    }
  }

  /** {@code [rows, w.rows()]}. */
  private static double[] product(Tensor x, Weight w, int rows) {
    int inner = w.cols();
    double[] product = new double[Math.multiplyExact(rows, w.rows())];
    float[] weights = new float[inner];
    for (int n = 0; n < w.rows(); n++) {
      ((CpuWeight) w).decodeRow(n, weights, 0);
      for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int k = 0; k < inner; k++) {
          sum += (double) data(x)[r * inner + k] * weights[k];
        }
        product[r * w.rows() + n] = sum;
      }
    }
    return product;
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
    int half = dim / 2;
    for (int r = 0; r < rows; r++) {
      int table = ints(positions)[r] * dim;
      for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
        int at = r * qkv.cols() + head * dim;
        for (int i = 0; i < half; i++) {
          int first = at + (interleaved ? 2 * i : i);
          int second = interleaved ? first + 1 : first + half;
          double cos = data(cosSin)[table + i];
          double sin = data(cosSin)[table + half + i];
          double a = data(qkv)[first];
          double b = data(qkv)[second];
          data(qkv)[first] = (float) (a * cos - b * sin);
          data(qkv)[second] = (float) (a * sin + b * cos);
        }
      }
    }
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
    for (int r = 0; r < rows; r++) {
      int[] slots = slotsOf(r, cache, step, window);
      for (int head = 0; head < shape.heads(); head++) {
        int at = r * shape.qkvCols() + head * shape.headDim();
        int to = r * shape.qCols() + head * shape.headDim();
        attend(data(y), to, data(qkv), at, (CpuKvCache) cache, layer, slots, shape, head);
      }
    }
  }

  /** KV slots of the last {@code window} of positions 0..p of a row's sequence. */
  private static int[] slotsOf(int row, KvCache cache, StepInputs step, int window) {
    int position = ints(step.positions())[row];
    int[] slots = new int[Math.min(window, position + 1)];
    int first = position + 1 - slots.length;
    int table = ints(step.rowSequences())[row] * step.blockTableStride();
    for (int i = 0; i < slots.length; i++) {
      int block = ints(step.blockTables())[table + (first + i) / cache.blockTokens()];
      slots[i] = block * cache.blockTokens() + (first + i) % cache.blockTokens();
    }
    return slots;
  }

  private static void attend(
      float[] y,
      int to,
      float[] q,
      int at,
      CpuKvCache cache,
      int layer,
      int[] slots,
      AttentionShape shape,
      int head) {
    int kvHead = head / (shape.heads() / shape.kvHeads());
    double[] weights = new double[slots.length];
    double largest = Double.NEGATIVE_INFINITY;
    for (int p = 0; p < slots.length; p++) {
      for (int d = 0; d < shape.headDim(); d++) {
        weights[p] += (double) q[at + d] * cache.key(layer, slots[p], kvHead, d);
      }
      weights[p] /= Math.sqrt(shape.headDim());
      largest = Math.max(largest, weights[p]);
    }
    double sum = 0;
    for (int p = 0; p < slots.length; p++) {
      weights[p] = Math.exp(weights[p] - largest);
      sum += weights[p];
    }
    for (int d = 0; d < shape.headDim(); d++) {
      double value = 0;
      for (int p = 0; p < slots.length; p++) {
        value += weights[p] * cache.value(layer, slots[p], kvHead, d);
      }
      y[to + d] = (float) (value / sum);
    }
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
        double squares = 0;
        for (int d = 0; d < dim; d++) {
          squares += (double) data(qkv)[at + d] * data(qkv)[at + d];
        }
        double scale = 1 / Math.sqrt(squares / dim + eps);
        for (int d = 0; d < dim; d++) {
          data(qkv)[at + d] = (float) (data(qkv)[at + d] * scale * weight[d]);
        }
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
