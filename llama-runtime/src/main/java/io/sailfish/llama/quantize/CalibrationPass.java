package io.sailfish.llama.quantize;

import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;

/**
 * Calibration sequences on their way through a model, a layer at a time and a {@link Stage} of it
 * at a time: the same operators in the same order as {@code LlamaModel}, but stopping where the
 * activations are that the next matrices multiply. So these can be quantised with what the
 * quantised matrices before them give, at the price of one forward pass.
 *
 * <p>Holds of every token its row of the residual stream and the inputs of the stage's matrices.
 */
final class CalibrationPass {
  /** Whole sequences at once: longer blocks than an engine's make longer products. */
  private static final int BLOCK_TOKENS = 64;

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
  private final List<Tensor> stream = new ArrayList<>();
  private final Map<Stage, List<Tensor>> inputs = new EnumMap<>(Stage.class);
  private final int length;
  private final KvCache cache;
  private final Tensor cosSin;
  private final Tensor normed;
  private final Tensor qkv;
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
    int blocks = (length + BLOCK_TOKENS - 1) / BLOCK_TOKENS * perBatch;
    this.cache = backend.kvCache(1, blocks, BLOCK_TOKENS, config.attention());
    this.cosSin = RopeTable.make(backend, config.rope(), config.attention().headDim(), length);
    int batchRows = batches.get(0).length;
    this.normed = backend.floats(batchRows, config.hidden(), "normed rows");
    this.qkv = backend.floats(batchRows, config.attention().qkvCols(), "q|k|v rows");
    for (int[] batch : batches) {
      stream.add(backend.floats(batch.length, config.hidden(), "residual stream"));
    }
  }

  /** Sequences of a shard, all of {@code length} tokens. */
  static int shardSequences(int length) {
    return SHARD_BATCHES * Math.max(1, BATCH_TOKENS / length);
  }

  private static int[] concat(List<int[]> sequences) {
    return sequences.stream().flatMapToInt(Arrays::stream).toArray();
  }

  /** Bytes of activations that a pass holds of so many tokens, once it has been through a layer. */
  static long activationBytes(ModelConfig config, long tokens) {
    return Float.BYTES * tokens * (config.hidden() + config.inner() + config.attention().qCols());
  }

  /** Bytes of activations that this one holds. */
  long heldBytes() {
    return Stream.concat(stream.stream(), inputs.values().stream().flatMap(List::stream))
        .mapToLong(tensor -> (long) Float.BYTES * tensor.rows() * tensor.cols())
        .sum();
  }

  /** Tokens of all sequences. */
  long tokens() {
    return batches.stream().mapToLong(batch -> batch.length).sum();
  }

  /** Starts over at the embeddings. */
  void embed(Weight table) {
    for (int b = 0; b < batches.size(); b++) {
      int[] batch = batches.get(b);
      ops.embed(stream.get(b), table, ints(batch.length, i -> batch[i]), batch.length);
    }
  }

  /** Residual stream of a batch of sequences, {@code [tokens, hidden]}. */
  float[] stream(int batch) {
    return read(stream.get(batch));
  }

  /** What has been computed so far, to go on with elsewhere. */
  CalibrationShard shard(List<int[]> sequences, Stage stage, double[] moments) {
    List<Tensor> last = inputs.getOrDefault(stage, List.of());
    return new CalibrationShard(
        sequences,
        stream.stream().map(this::read).toList(),
        last.stream().map(this::read).toList(),
        moments);
  }

  /**
   * Takes over what was computed of the same sequences.
   *
   * @param stage the last one whose inputs were computed; null before the first
   */
  void resume(CalibrationShard shard, Stage stage) {
    write(stream, shard.stream());
    if (!shard.inputs().isEmpty()) {
      write(rows(stage), shard.inputs());
    }
  }

  private void write(List<Tensor> tensors, List<float[]> values) {
    for (int b = 0; b < tensors.size(); b++) {
      backend.write(tensors.get(b), 0, values.get(b), 0, values.get(b).length);
    }
  }

  private float[] read(Tensor tensor) {
    float[] values = new float[Math.multiplyExact(tensor.rows(), tensor.cols())];
    backend.read(tensor, 0, values, 0, values.length);
    return values;
  }

  /** Where the inputs of a stage are kept until its matrices are quantised. */
  private List<Tensor> rows(Stage stage) {
    return inputs.computeIfAbsent(
        stage,
        key -> {
          List<Tensor> tensors = new ArrayList<>();
          for (int[] batch : batches) {
            tensors.add(backend.floats(batch.length, key.inputs(config), "inputs of " + key));
          }
          return tensors;
        });
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
    }
  }

  private Tensor inputs(Stage stage, int batch) {
    int rows = batches.get(batch).length;
    Tensor x = stream.get(batch);
    return switch (stage) {
      case QKV -> norm(x, vectors.attentionNorm(), rows);
      case O -> attend(rows(stage).get(batch), x, rows);
      case GATE_UP -> norm(x, vectors.ffnNorm(), rows);
      case DOWN -> feedForward(rows(stage).get(batch), x, rows);
    };
  }

  /** Goes on with the matrices of a stage, stacked. */
  void apply(Stage stage, Weight weight) {
    switch (stage) {
      case QKV -> qkvWeight = weight;
      case GATE_UP -> gateUpWeight = weight;
      case O -> addToStream(stage, weight, vectors.oBias());
      case DOWN -> addToStream(stage, weight, null);
    }
  }

  private Tensor norm(Tensor x, Tensor weight, int rows) {
    ops.rmsNorm(normed, x, weight, config.normEps(), rows);
    return normed;
  }

  private Tensor attend(Tensor attended, Tensor x, int rows) {
    ops.linear(qkv, norm(x, vectors.attentionNorm(), rows), qkvWeight, rows);
    LayerAttention how =
        new LayerAttention(
            cosSin,
            config.rope().interleaved(),
            vectors.qkvBias(),
            vectors.qNorm(),
            vectors.kNorm(),
            config.normEps(),
            vectors.window());
    ops.ropeAttention(attended, qkv, how, step(rows), cache, 0, config.attention(), rows);
    return attended;
  }

  private Tensor feedForward(Tensor inner, Tensor x, int rows) {
    ops.swiGlu(inner, norm(x, vectors.ffnNorm(), rows), gateUpWeight, rows);
    return inner;
  }

  private void addToStream(Stage stage, Weight weight, Tensor bias) {
    for (int b = 0; b < batches.size(); b++) {
      int rows = batches.get(b).length;
      Tensor x = stream.get(b);
      ops.linearAdd(x, rows(stage).get(b), weight, rows);
      if (bias != null) {
        ops.addBias(x, bias, rows);
      }
    }
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
}
