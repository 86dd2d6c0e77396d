package io.sailfish.llama.quantize;

import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntUnaryOperator;

/**
 * Calibration sequences on their way through a model, a layer at a time and a {@link Stage} of it
 * at a time: the same operators in the same order as {@code LlamaModel}, but stopping where the
 * activations are that the next matrices multiply. So these can be quantised with what the
 * quantised matrices before them give, at the price of one forward pass.
 *
 * <p>Holds of every token its row of the residual stream and the inputs of the stage's matrices.
 */
final class CalibrationPass {
  private static final int BLOCK_TOKENS = 16;

  /** Rows computed together: some thousand, so that a weight is decoded seldom. */
  private static final int BATCH_TOKENS = 2048;

  /**
   * Batches whose moments are summed on their own before they are added to the rest: what a cluster
   * spreads over its executors. Fixed, so that sums have one order everywhere.
   */
  private static final int SHARD_BATCHES = 4;

  private final ModelConfig config;
  private final CpuBackend backend;
  private final Ops ops;
  private final List<int[]> batches = new ArrayList<>();
  private final List<float[]> stream = new ArrayList<>();
  private final List<float[]> inputs = new ArrayList<>();
  private final int length;
  private final int batchRows;
  private final KvCache cache;
  private final Tensor cosSin;
  private final Tensor x;
  private final Tensor normed;
  private final Tensor qkv;
  private final Tensor attended;
  private final Tensor inner;
  private LayerVectors vectors;
  private Weight qkvWeight;
  private Weight gateUpWeight;

  /**
   * @param sequences token ids, all of one length
   */
  CalibrationPass(ModelConfig config, CpuBackend backend, List<int[]> sequences) {
    this.config = config;
    this.backend = backend;
    this.ops = backend.ops();
    this.length = sequences.get(0).length;
    int perBatch = Math.max(1, BATCH_TOKENS / length);
    for (int from = 0; from < sequences.size(); from += perBatch) {
      batches.add(concat(sequences.subList(from, Math.min(sequences.size(), from + perBatch))));
    }
    this.batchRows = batches.get(0).length;
    int blocks = (length + BLOCK_TOKENS - 1) / BLOCK_TOKENS * perBatch;
    this.cache = backend.kvCache(1, blocks, BLOCK_TOKENS, config.attention());
    this.cosSin = RopeTable.make(backend, config.rope(), config.attention().headDim(), length);
    this.x = backend.floats(batchRows, config.hidden(), "residual stream");
    this.normed = backend.floats(batchRows, config.hidden(), "normed rows");
    this.qkv = backend.floats(batchRows, config.attention().qkvCols(), "q|k|v rows");
    this.attended = backend.floats(batchRows, config.attention().qCols(), "attention rows");
    this.inner = backend.floats(batchRows, config.inner(), "feed-forward rows");
  }

  /** Sequences of a shard, all of {@code length} tokens. */
  static int shardSequences(int length) {
    return SHARD_BATCHES * Math.max(1, BATCH_TOKENS / length);
  }

  private static int[] concat(List<int[]> sequences) {
    return sequences.stream().flatMapToInt(Arrays::stream).toArray();
  }

  /** Tokens of all sequences. */
  long tokens() {
    return batches.stream().mapToLong(batch -> batch.length).sum();
  }

  /** Starts over at the embeddings. */
  void embed(Weight table) {
    stream.clear();
    for (int[] batch : batches) {
      IntTensor ids = ints(batch.length, i -> batch[i]);
      ops.embed(x, table, ids, batch.length);
      stream.add(read(x, batch.length));
    }
  }

  /** Residual stream of a batch of sequences, {@code [tokens, hidden]}. */
  float[] stream(int batch) {
    return stream.get(batch);
  }

  /** What has been computed so far, to go on with elsewhere. */
  CalibrationShard shard(List<int[]> sequences, double[] moments) {
    return new CalibrationShard(sequences, List.copyOf(stream), List.copyOf(inputs), moments);
  }

  /** Takes over what was computed of the same sequences. */
  void resume(CalibrationShard shard) {
    stream.clear();
    stream.addAll(shard.stream());
    inputs.clear();
    inputs.addAll(shard.inputs());
  }

  /** Goes to the next layer. */
  void enter(LayerVectors layerVectors) {
    vectors = layerVectors;
  }

  /**
   * Computes what the matrices of a stage multiply, and its second moments.
   *
   * @param moments where to add them, or null when nobody wants them
   */
  void inputs(Stage stage, double[] moments) {
    inputs.clear();
    double[] shard = moments == null ? null : new double[moments.length];
    for (int b = 0; b < batches.size(); b++) {
      Tensor result = inputs(stage, b);
      int rows = batches.get(b).length;
      if (moments != null) {
        backend.addGram(shard, result, rows);
        boolean last = b % SHARD_BATCHES == SHARD_BATCHES - 1 || b == batches.size() - 1;
        if (last) {
          Hessian.add(moments, shard);
          Arrays.fill(shard, 0);
        }
      }
      if (stage == Stage.O || stage == Stage.DOWN) {
        inputs.add(read(result, rows));
      }
    }
  }

  private Tensor inputs(Stage stage, int batch) {
    int rows = batches.get(batch).length;
    write(x, stream.get(batch));
    return switch (stage) {
      case QKV -> norm(vectors.attentionNorm(), rows);
      case O -> attend(rows);
      case GATE_UP -> norm(vectors.ffnNorm(), rows);
      case DOWN -> feedForward(rows);
    };
  }

  /** Goes on with the matrices of a stage, stacked. */
  void apply(Stage stage, Weight weight) {
    switch (stage) {
      case QKV -> qkvWeight = weight;
      case GATE_UP -> gateUpWeight = weight;
      case O -> addToStream(attended, weight, vectors.oBias());
      case DOWN -> addToStream(inner, weight, null);
    }
  }

  private Tensor norm(Tensor weight, int rows) {
    ops.rmsNorm(normed, x, weight, config.normEps(), rows);
    return normed;
  }

  private Tensor attend(int rows) {
    ops.linear(qkv, norm(vectors.attentionNorm(), rows), qkvWeight, rows);
    if (vectors.qkvBias() != null) {
      ops.addBias(qkv, vectors.qkvBias(), rows);
    }
    if (vectors.qNorm() != null) {
      ops.headNorm(
          qkv, vectors.qNorm(), vectors.kNorm(), config.normEps(), config.attention(), rows);
    }
    StepInputs step = step(rows);
    boolean interleaved = config.rope().interleaved();
    ops.ropeAppend(qkv, cosSin, step, cache, 0, config.attention(), interleaved, rows);
    if (vectors.window() == 0) {
      ops.attention(attended, qkv, cache, 0, step, config.attention(), rows);
    } else {
      ops.slidingAttention(
          attended, qkv, cache, 0, step, config.attention(), vectors.window(), rows);
    }
    return attended;
  }

  private Tensor feedForward(int rows) {
    ops.swiGlu(inner, norm(vectors.ffnNorm(), rows), gateUpWeight, rows);
    return inner;
  }

  private void addToStream(Tensor factors, Weight weight, Tensor bias) {
    for (int b = 0; b < batches.size(); b++) {
      int rows = batches.get(b).length;
      write(x, stream.get(b));
      write(factors, inputs.get(b));
      ops.linearAdd(x, factors, weight, rows);
      if (bias != null) {
        ops.addBias(x, bias, rows);
      }
      stream.set(b, read(x, rows));
    }
    inputs.clear();
  }

  /** Sequences one behind the other, each from position 0, in KV blocks of its own. */
  private StepInputs step(int rows) {
    int sequences = rows / length;
    int stride = (length + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
    return new StepInputs(
        ints(1, i -> 0),
        ints(rows, i -> i % length),
        ints(rows, i -> i / length * stride * BLOCK_TOKENS + i % length),
        ints(rows, i -> i / length),
        ints(sequences + 1, i -> i * length),
        ints(sequences * stride, i -> i),
        stride,
        ints(1, i -> 0));
  }

  private IntTensor ints(int count, IntUnaryOperator value) {
    int[] values = new int[count];
    Arrays.setAll(values, value);
    IntTensor tensor = backend.ints(count, "calibration");
    backend.write(tensor, values, count);
    return tensor;
  }

  private float[] read(Tensor tensor, int rows) {
    float[] values = new float[Math.multiplyExact(rows, tensor.cols())];
    backend.read(tensor, 0, values, 0, values.length);
    return values;
  }

  private void write(Tensor tensor, float[] values) {
    backend.write(tensor, 0, values, 0, values.length);
  }
}
