package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.cuda.RopeKernels.Inputs;
import io.sailfish.kernels.cuda.RopeKernels.Variant;

/**
 * The operators on the card, for rows of one kind: rows of prompts and more than 64 others are
 * tiled by 128, up to 64 rows that go on by one token by the smallest tile that holds them.
 * Products give a row the same bits in either (docs/adr/0008), but for weights with tables: with
 * those, rows that go on are tiled by 64 at most, however many they are. Everything is queued on
 * the backend's stream.
 */
final class CudaOps implements Ops {
  /** More rows are multiplied as those of prompts are: the same bits in less time. */
  private static final int LARGEST_DECODE_TILE = 64;

  private final CudaBackend backend;
  private final Products products;
  private final Attention attention;
  private final boolean prompt;

  CudaOps(CudaBackend backend, Products products, Attention attention, boolean prompt) {
    this.backend = backend;
    this.products = products;
    this.attention = attention;
    this.prompt = prompt;
  }

  private CudaStream stream() {
    return backend.stream();
  }

  private int tileRows(int rows) {
    boolean tall = prompt || rows > LARGEST_DECODE_TILE && !backend.tilesDiffer();
    return tall ? PrefillGemm.TILE_ROWS : TiledActivations.tileRowsFor(rows);
  }

  private TiledActivations in(String op, CudaTensor tensor, int rows) {
    return tensor.read(op, tileRows(rows), stream(), backend.staging());
  }

  @Override
  public void embed(Tensor y, Weight table, IntTensor tokenIds, int rows) {
    String op = "embed";
    if (!(CudaChecks.weight(op, table) instanceof DenseMatrix dense) || dense.gated()) {
      throw new KernelException(op, "table", "one of vocabularyWeight", table.name());
    }
    CudaTensor to = CudaChecks.half(op, "y", y, rows, dense.cols());
    long ids = CudaChecks.ints(op, "tokenIds", tokenIds, rows);
    backend.streamed().begin(stream()); // every pass begins with its tokens
    if (rows > 0) {
      RowKernels.embed(stream(), to.written(tileRows(rows)), dense, ids, rows);
    }
  }

  @Override
  public void rmsNorm(Tensor y, Tensor x, Tensor weight, float eps, int rows) {
    String op = "rmsNorm";
    CudaTensor to = CudaChecks.half(op, "y", y, rows, x.cols());
    CudaTensor from = CudaChecks.half(op, "x", x, rows, x.cols());
    CudaTensor scale = CudaChecks.exact(op, "weight", weight, 1, x.cols());
    if (rows > 0) {
      TiledActivations source = in(op, from, rows);
      RowKernels.norm(
          stream(), to.written(tileRows(rows)), source, scale.address(), eps, rows, prompt);
    }
  }

  @Override
  public void linear(Tensor y, Tensor x, Weight w, int rows) {
    String op = "linear";
    CudaWeight weight = ungated(op, w);
    CudaTensor from = input(op, y, x, w, rows);
    CudaTensor to = CudaChecks.own(op, "y", y, rows, w.rows());
    if (rows == 0) {
      return;
    }
    TiledActivations source = in(op, from, rows);
    if (to.exact) {
      if (!(weight instanceof DenseMatrix dense)) {
        throw new KernelException(op, "w into an fp32 tensor", "vocabularyWeight", w.name());
      }
      DenseGemm.launch(stream(), DenseGemm.Epilogue.FLOATS, to.address(), source, dense, rows);
      return;
    }
    products.store(to.written(tileRows(rows)), source, weight, rows);
  }

  @Override
  public void linearAdd(Tensor y, Tensor x, Weight w, int rows) {
    String op = "linearAdd";
    CudaWeight weight = ungated(op, w);
    CudaTensor from = input(op, y, x, w, rows);
    CudaTensor to = CudaChecks.half(op, "y", y, rows, w.rows());
    if (rows > 0) {
      TiledActivations source = in(op, from, rows);
      TiledActivations sum = in(op, to, rows);
      to.written(tileRows(rows));
      products.add(sum, source, weight, rows);
    }
  }

  @Override
  public void swiGlu(Tensor y, Tensor x, Weight gateUp, int rows) {
    String op = "swiGlu";
    CudaWeight weight = CudaChecks.weight(op, gateUp);
    if (!weight.gated()) {
      throw new KernelException(op, "gateUp", "one of gatedWeight", gateUp.name());
    }
    CudaTensor from = input(op, y, x, gateUp, rows);
    CudaTensor to = CudaChecks.half(op, "y", y, rows, gateUp.rows() / 2);
    if (rows == 0) {
      return;
    }
    TiledActivations source = in(op, from, rows);
    TiledActivations target = to.written(tileRows(rows));
    if (DenseMatrix.paddedCols(gateUp.rows()) / 2 < target.paddedCols()) {
      clear(target, rows); // the product does not reach all of the padding
    }
    products.swiGlu(target, source, weight, rows);
  }

  private static CudaWeight ungated(String op, Weight w) {
    CudaWeight weight = CudaChecks.weight(op, w);
    if (weight.gated()) {
      throw new KernelException(op, "w", "a weight that is not for swiGlu", w.name());
    }
    return weight;
  }

  private static CudaTensor input(String op, Tensor y, Tensor x, Weight w, int rows) {
    CudaChecks.rows(op, rows);
    if (y == x) {
      throw new KernelException(op, "y", "another tensor than x", "x itself");
    }
    return CudaChecks.half(op, "x", x, rows, w.cols());
  }

  /** Zeroes the tiles that hold {@code rows} rows. */
  private void clear(TiledActivations target, int rows) {
    int tiles = (rows - 1) / target.tileRows() + 1;
    long bytes = TiledActivations.bytes(target.tileRows(), tiles, target.cols());
    stream().fill(target.address(), 0, bytes);
  }

  @Override
  public void rope(
      Tensor qkv,
      Tensor cosSin,
      IntTensor positions,
      AttentionShape shape,
      boolean interleaved,
      int rows) {
    String op = "rope";
    CudaTensor own = CudaChecks.half(op, "qkv", qkv, rows, shape.qkvCols());
    CudaTensor table = CudaChecks.exact(op, "cosSin", cosSin, 1, shape.headDim());
    long at = CudaChecks.ints(op, "positions", positions, rows);
    if (rows > 0) {
      Inputs inputs = new Inputs(table.address(), at, 0, 0);
      int mode = RopeKernels.ROTATE;
      TiledActivations heads = in(op, own, rows);
      RopeKernels.launch(stream(), heads, inputs, Variant.NONE, shape, interleaved, mode, rows);
    }
  }

  @Override
  public void kvAppend(
      KvCache cache, int layer, Tensor qkv, IntTensor slots, AttentionShape shape, int rows) {
    String op = "kvAppend";
    CudaKvCache kv = CudaChecks.cache(op, cache, layer, shape);
    CudaTensor own = CudaChecks.half(op, "qkv", qkv, rows, shape.qkvCols());
    long to = CudaChecks.ints(op, "slots", slots, rows);
    if (rows > 0) {
      Inputs inputs = new Inputs(0, 0, to, kv.layerAddress(layer));
      int mode = RopeKernels.APPEND;
      TiledActivations heads = in(op, own, rows);
      RopeKernels.launch(stream(), heads, inputs, Variant.NONE, shape, false, mode, rows);
    }
  }

  @Override
  public void ropeAppend(
      Tensor qkv,
      LayerAttention how,
      StepInputs step,
      KvCache cache,
      int layer,
      AttentionShape shape,
      int rows) {
    String op = "ropeAppend";
    CudaKvCache kv = CudaChecks.cache(op, cache, layer, shape);
    CudaTensor own = CudaChecks.half(op, "qkv", qkv, rows, shape.qkvCols());
    CudaTensor table = CudaChecks.exact(op, "cosSin", how.cosSin(), 1, shape.headDim());
    long positions = CudaChecks.ints(op, "positions", step.positions(), rows);
    long slots = CudaChecks.ints(op, "slots", step.slots(), rows);
    Variant variant = variant(op, how, shape);
    if (rows > 0) {
      Inputs inputs = new Inputs(table.address(), positions, slots, kv.layerAddress(layer));
      int mode = RopeKernels.ROTATE | RopeKernels.APPEND;
      TiledActivations heads = in(op, own, rows);
      RopeKernels.launch(stream(), heads, inputs, variant, shape, how.interleaved(), mode, rows);
    }
  }

  /** Addresses of a layer's bias and norms. */
  private static Variant variant(String op, LayerAttention how, AttentionShape shape) {
    long bias = vector(op, "bias", how.bias(), shape.qkvCols());
    long qNorm = vector(op, "qNorm", how.qNorm(), shape.headDim());
    long kNorm = vector(op, "kNorm", how.kNorm(), shape.headDim());
    return bias == 0 && qNorm == 0 ? Variant.NONE : new Variant(bias, qNorm, kNorm, how.normEps());
  }

  private static long vector(String op, String argument, Tensor vector, long cols) {
    return vector == null ? 0 : CudaChecks.exact(op, argument, vector, 1, cols).address();
  }

  @Override
  public void headNorm(
      Tensor qkv, Tensor qWeight, Tensor kWeight, float eps, AttentionShape shape, int rows) {
    String op = "headNorm";
    CudaTensor own = CudaChecks.half(op, "qkv", qkv, rows, shape.qkvCols());
    CudaTensor q = CudaChecks.exact(op, "qWeight", qWeight, 1, shape.headDim());
    CudaTensor k = CudaChecks.exact(op, "kWeight", kWeight, 1, shape.headDim());
    if (rows > 0) {
      Variant norms = new Variant(0, q.address(), k.address(), eps);
      TiledActivations heads = in(op, own, rows);
      int mode = RopeKernels.ROTATE; // q and k in place, with no angles
      RopeKernels.launch(stream(), heads, new Inputs(0, 0, 0, 0), norms, shape, false, mode, rows);
    }
  }

  @Override
  public void addBias(Tensor y, Tensor bias, int rows) {
    String op = "addBias";
    CudaTensor own = CudaChecks.half(op, "y", y, rows, y.cols());
    CudaTensor vector = CudaChecks.exact(op, "bias", bias, 1, y.cols());
    if (rows > 0) {
      RowKernels.addBias(stream(), in(op, own, rows), vector.address(), rows);
    }
  }

  @Override
  public void kvCopy(KvCache cache, int fromBlock, int toBlock) {
    CudaKvCache own = (CudaKvCache) cache;
    Arguments.inRange("kvCopy", "fromBlock", 0, own.numBlocks() - 1, fromBlock);
    Arguments.inRange("kvCopy", "toBlock", 0, own.numBlocks() - 1, toBlock);
    RowKernels.kvCopy(stream(), own, fromBlock, toBlock);
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
    attend(y, qkv, cache, layer, step, shape, rows, null, 0);
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
    Arguments.atLeast("slidingAttention", "window", 1, window);
    attend(y, qkv, cache, layer, step, shape, rows, null, window);
  }

  /** One kernel in recorded steps, whose rows are of different sequences. */
  @Override
  public void ropeAttention(
      Tensor y,
      Tensor qkv,
      LayerAttention how,
      StepInputs step,
      KvCache cache,
      int layer,
      AttentionShape shape,
      int rows) {
    if (prompt || !backend.recording() || !Attention.rotates(shape)) {
      Ops.super.ropeAttention(y, qkv, how, step, cache, layer, shape, rows);
      return;
    }
    String op = "ropeAttention";
    CudaTensor table = CudaChecks.exact(op, "cosSin", how.cosSin(), 1, shape.headDim());
    CudaChecks.ints(op, "slots", step.slots(), rows);
    Attention.Rotation rotation =
        new Attention.Rotation(table.address(), how.interleaved(), variant(op, how, shape));
    attend(y, qkv, cache, layer, step, shape, rows, rotation, how.window());
  }

  private void attend(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int rows,
      Attention.Rotation rotation,
      int window) {
    String op = "attention";
    CudaKvCache kv = CudaChecks.cache(op, cache, layer, shape);
    CudaTensor to = CudaChecks.half(op, "y", y, rows, shape.qCols());
    CudaTensor from = CudaChecks.half(op, "qkv", qkv, rows, shape.qkvCols());
    Arguments.atLeast(op, "blockTableStride", 1, step.blockTableStride());
    CudaChecks.ints(op, "positions", step.positions(), rows);
    CudaChecks.ints(op, "rowSequences", step.rowSequences(), rows);
    CudaChecks.ints(op, "blockTables", step.blockTables(), step.blockTableStride());
    if (rows == 0) {
      return;
    }
    TiledActivations source = in(op, from, rows);
    TiledActivations target = to.written(tileRows(rows));
    if (target.cols() != target.paddedCols()) {
      clear(target, rows);
    }
    CudaStep inputs = CudaStep.of(step);
    if (prompt) {
      attention.prefill(target, source, kv, layer, inputs, rows, window);
    } else {
      attention.decode(target, source, kv, layer, inputs, rows, rotation, window);
    }
  }

  @Override
  public void gatherRows(Tensor y, Tensor x, IntTensor rowIds, int numRows) {
    String op = "gatherRows";
    if (y == x) {
      throw new KernelException(op, "y", "another tensor than x", "x itself");
    }
    CudaTensor to = CudaChecks.half(op, "y", y, numRows, x.cols());
    CudaTensor from = CudaChecks.half(op, "x", x, 1, x.cols());
    long ids = CudaChecks.ints(op, "rowIds", rowIds, numRows);
    if (numRows > 0) {
      TiledActivations source = from.readAsIs(stream(), backend.staging());
      RowKernels.gather(stream(), to.written(tileRows(numRows)), source, ids, numRows);
    }
  }

  @Override
  public void gatherCols(Tensor y, Tensor x, IntTensor order, int rows) {
    String op = "gatherCols";
    if (y == x) {
      throw new KernelException(op, "y", "another tensor than x", "x itself");
    }
    CudaTensor to = CudaChecks.half(op, "y", y, rows, x.cols());
    CudaTensor from = CudaChecks.half(op, "x", x, rows, x.cols());
    Arguments.same(op, "order.length", x.cols(), order.length());
    long columns = CudaChecks.ints(op, "order", order, x.cols());
    if (rows > 0) {
      TiledActivations source = in(op, from, rows);
      RowKernels.gatherCols(stream(), to.written(tileRows(rows)), source, columns, rows);
    }
  }
}
