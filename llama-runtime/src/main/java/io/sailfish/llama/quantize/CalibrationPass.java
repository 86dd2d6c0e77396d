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
  private final List<Rows> stream = new ArrayList<>();
  private final Map<Stage, List<Rows>> inputs = new EnumMap<>(Stage.class);
  private final int length;
  private final KvCache cache;
  private final Tensor cosSin;
  private final Tensor normed;
  private final Tensor qkv;
  private LayerVectors vectors;
  private Weight qkvWeight;
  private Weight gateUpWeight;

  /** Activations of a batch, and the same as an operator takes them. */
  private record Rows(float[] values, Tensor tensor) {}

  /**
   * @param sequences token ids, all of one length
   */
  CalibrationPass(ModelConfig config, CpuBackend backend, List<int[]> sequences) {
    this.config = config;
    this.backend = backend;
    this.ops = backend.ops();
    this.length = sequences.get(0).length;
    take(sequences);
    int blocks = (length + BLOCK_TOKENS - 1) / BLOCK_TOKENS * sequencesOfBatch(length);
    this.cache = backend.kvCache(1, blocks, BLOCK_TOKENS, config.attention());
    this.cosSin = RopeTable.make(backend, config.rope(), config.attention().headDim(), length);
    int batchRows = sequencesOfBatch(length) * length;
    this.normed = backend.floats(batchRows, config.hidden(), "normed rows");
    this.qkv = backend.floats(batchRows, config.attention().qkvCols(), "q|k|v rows");
  }

  /**
   * Starts over with other sequences.
   *
   * @return false, and nothing done, when they are not as long as those before
   */
  boolean take(List<int[]> sequences) {
    if (sequences.get(0).length != length) {
      return false;
    }
    batches.clear();
    stream.clear();
    inputs.clear();
    int perBatch = sequencesOfBatch(length);
    for (int from = 0; from < sequences.size(); from += perBatch) {
      batches.add(concat(sequences.subList(from, Math.min(sequences.size(), from + perBatch))));
    }
    return true;
  }

  private static int sequencesOfBatch(int length) {
    return Math.max(1, BATCH_TOKENS / length);
  }

  /** Sequences of a shard, all of {@code length} tokens. */
  static int shardSequences(int length) {
    return SHARD_BATCHES * sequencesOfBatch(length);
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
        .mapToLong(rows -> (long) Float.BYTES * rows.values().length)
        .sum();
  }

  /** Tokens of all sequences. */
  long tokens() {
    return batches.stream().mapToLong(batch -> batch.length).sum();
  }

  /** Starts over at the embeddings. */
  void embed(Weight table) {
    stream.clear();
    for (int[] batch : batches) {
      Rows rows = over(new float[batch.length * config.hidden()], batch.length);
      ops.embed(rows.tensor(), table, ints(batch.length, i -> batch[i]), batch.length);
      stream.add(rows);
    }
  }

  /** Residual stream of a batch of sequences, {@code [tokens, hidden]}. */
  float[] stream(int batch) {
    return stream.get(batch).values();
  }

  /** What has been computed so far, to go on with elsewhere; this pass holds it no longer. */
  CalibrationShard shard(List<int[]> sequences, Stage stage, double[] moments) {
    List<Rows> last = inputs.getOrDefault(stage, List.of());
    CalibrationShard shard =
        new CalibrationShard(
            sequences,
            stream.stream().map(Rows::values).toList(),
            last.stream().map(Rows::values).toList(),
            moments);
    stream.clear();
    inputs.clear();
    return shard;
  }

  /**
   * Takes over what was computed of the same sequences, and leaves it as it is: others may go on
   * from there too.
   *
   * @param stage the last one whose inputs were computed; null before the first
   */
  void resume(CalibrationShard shard, Stage stage) {
    boolean written = stage == Stage.O || stage == Stage.DOWN;
    for (int b = 0; b < batches.size(); b++) {
      float[] values = shard.stream().get(b);
      stream.add(over(written ? values.clone() : values, batches.get(b).length));
    }
    if (!shard.inputs().isEmpty()) {
      List<Rows> last = new ArrayList<>();
      for (int b = 0; b < batches.size(); b++) {
        last.add(over(shard.inputs().get(b), batches.get(b).length));
      }
      inputs.put(stage, last);
    }
  }

  private Rows over(float[] values, int rows) {
    return new Rows(values, backend.over(values, rows, values.length / rows, "activations"));
  }

  /** Where the inputs of a stage are kept until its matrices are quantised. */
  private List<Rows> rows(Stage stage) {
    return inputs.computeIfAbsent(
        stage,
        key -> {
          List<Rows> all = new ArrayList<>();
          for (int[] batch : batches) {
            int length = Math.multiplyExact(batch.length, key.inputs(config));
            all.add(over(new float[length], batch.length));
          }
          return all;
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
    Tensor x = stream.get(batch).tensor();
    return switch (stage) {
      case QKV -> norm(x, vectors.attentionNorm(), rows);
      case O -> attend(rows(stage).get(batch).tensor(), x, rows);
      case GATE_UP -> norm(x, vectors.ffnNorm(), rows);
      case DOWN -> feedForward(rows(stage).get(batch).tensor(), x, rows);
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
      Tensor x = stream.get(b).tensor();
      ops.linearAdd(x, rows(stage).get(b).tensor(), weight, rows);
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
