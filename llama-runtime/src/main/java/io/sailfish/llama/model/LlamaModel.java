package io.sailfish.llama.model;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The forward pass of a Llama: x = x + attention(norm(x)), x = x + ffn(norm(x)), layer by layer.
 * Activations are allocated once, for the largest step; they are the backend's and freed with it.
 *
 * <p>In each layer the keys and values of all rows are written before any row reads them, so a row
 * may attend to what another sequence computes in the same step.
 */
public final class LlamaModel {
  private final ModelConfig config;
  private final LlamaWeights weights;
  private final Ops ops;
  private final Ops promptOps;
  private final KvCache cache;
  private final List<LayerAttention> attentions = new ArrayList<>(); // by layer
  private final Tensor x; // [rows, hidden] residual stream
  private final Tensor normed; // [rows, hidden]
  private final Tensor qkv; // [rows, (heads + 2 kvHeads) headDim]
  private final Tensor attended; // [rows, heads headDim]
  private final Map<Integer, Tensor> inner = new HashMap<>(); // by inner: [rows, inner]
  private final Tensor wantedX; // [logitRows, hidden]
  private final Tensor wantedAttended; // [logitRows, heads headDim]
  private final Tensor logits; // [logitRows, vocabulary]
  private final Tensor decodeLogits; // [decodeRows, vocabulary], or null
  private final Map<Integer, Tensor> reordered = new HashMap<>(); // by cols: [rows, cols]

  /**
   * What has to fit.
   *
   * @param rows rows of the largest step
   * @param logitRows most logit rows of a step
   * @param decodeRows most rows of {@link #decode}; 0 if it is not used
   * @param context positions of the rope table
   */
  public record Sizes(int rows, int logitRows, int decodeRows, int context) {
    /** Without {@link #decode}. */
    public Sizes(int rows, int logitRows, int context) {
      this(rows, logitRows, 0, context);
    }

    /**
     * Bytes of the activations, for sizing the cache before they are there; padding of tiles is not
     * counted.
     *
     * @param floatBytes bytes of an activation; logits and the rope table take four
     */
    public long bytes(ModelConfig config, int floatBytes) {
      AttentionShape shape = config.attention();
      long aRow = 2L * config.hidden() + shape.qkvCols() + shape.qCols() + config.inner();
      long aWantedRow = config.hidden() + shape.qCols();
      long exact =
          (long) (logitRows + decodeRows) * config.vocabulary() + (long) context * shape.headDim();
      return floatBytes * (rows * aRow + logitRows * aWantedRow) + Float.BYTES * exact;
    }
  }

  public LlamaModel(
      ModelConfig config, LlamaWeights weights, Backend backend, KvCache cache, Sizes sizes) {
    AttentionShape shape = config.attention();
    int rows = sizes.rows();
    int wanted = sizes.logitRows();
    this.config = config;
    this.weights = weights;
    this.ops = backend.ops();
    this.promptOps = backend.promptOps();
    this.cache = cache;
    this.x = backend.floats(rows, config.hidden(), "residual stream");
    this.normed = backend.floats(rows, config.hidden(), "normed rows");
    this.qkv = backend.floats(rows, shape.qkvCols(), "q|k|v rows");
    this.attended = backend.floats(rows, shape.qCols(), "attention rows");
    this.wantedX = backend.floats(wanted, config.hidden(), "rows that need logits");
    this.wantedAttended = backend.floats(wanted, shape.qCols(), "their attention rows");
    this.logits = backend.exact(wanted, config.vocabulary(), "logits");
    this.decodeLogits =
        sizes.decodeRows() == 0
            ? null
            : backend.exact(sizes.decodeRows(), config.vocabulary(), "logits of decoding rows");
    Tensor cosSin = RopeTable.make(backend, config.rope(), shape.headDim(), sizes.context());
    for (int i = 0; i < config.layers(); i++) {
      LlamaWeights.Layer w = weights.layers().get(i);
      attentions.add(attention(config, cosSin, w.extras(), i));
      if (w.down() != null) {
        inner.computeIfAbsent(
            w.down().cols(), cols -> backend.floats(rows, cols, "feed-forward rows"));
      }
      for (Weight reorders : w.reordering()) {
        reordered.computeIfAbsent(
            reorders.cols(), cols -> backend.floats(rows, cols, "reordered inputs"));
      }
    }
  }

  private static LayerAttention attention(
      ModelConfig config, Tensor cosSin, LlamaWeights.Extras extras, int layer) {
    return new LayerAttention(
        cosSin,
        config.rope().interleaved(),
        extras.qkvBias(),
        extras.qNorm(),
        extras.kNorm(),
        config.normEps(),
        config.variant().window(layer));
  }

  /**
   * Computes {@code rows} rows and the logits of {@code wanted} of them. Where a backend has
   * operators of their own for prompts, these are used up to the last attention; from there on only
   * the wanted rows go on, with the operators of decoding.
   *
   * @return {@code [logitRows, vocabulary]}, the first {@code wanted} rows set, until the next call
   */
  public Tensor forward(StepInputs step, int rows, int wanted) {
    return forward(step, rows, wanted, (layer, residual) -> {});
  }

  /** What a layer leaves in the residual stream, for those who compare models. */
  public interface Tap {
    /**
     * @param residual {@code [rows, hidden]}, of the last layer the wanted rows alone; may be read
     *     until this returns
     */
    void after(int layer, Tensor residual);
  }

  /** The same, telling {@code tap} of each layer. */
  public Tensor forward(StepInputs step, int rows, int wanted, Tap tap) {
    int last = config.layers() - 1;
    promptOps.embed(x, weights.embedding(), step.tokenIds(), rows);
    for (int i = 0; i < last; i++) {
      layer(promptOps, i, step, rows, true);
      tap.after(i, x);
    }
    keysAndValues(promptOps, last, step, rows);
    if (wanted > 0) {
      lastRows(step, rows, wanted);
      tap.after(last, wantedX);
      head(logits, wantedX, wanted);
    }
    return logits;
  }

  /** Computes {@code rows} rows of answers, each of another sequence. */
  public Tensor decode(StepInputs step, int rows) {
    return decode(step, rows, false);
  }

  /**
   * Computes {@code rows} rows of answers, and the logits of all of them.
   *
   * @param shared whether several may be of one sequence, of which the later read what the earlier
   *     write: then all keys and values of a layer are written before any row attends
   * @return {@code [decodeRows, vocabulary]}, the first {@code rows} rows set, until the next call
   */
  public Tensor decode(StepInputs step, int rows, boolean shared) {
    ops.embed(x, weights.embedding(), step.tokenIds(), rows);
    for (int i = 0; i < config.layers(); i++) {
      layer(ops, i, step, rows, shared);
    }
    head(decodeLogits, x, rows);
    return decodeLogits;
  }

  /** What {@link #decode} returns, also when a backend replayed it. */
  public Tensor decodeLogits() {
    return decodeLogits;
  }

  /** x += attention(norm(x)) · Wo, x += ffn(norm(x)). */
  private void layer(Ops ops, int i, StepInputs step, int rows, boolean shared) {
    LlamaWeights.Layer w = weights.layers().get(i);
    if (w.qkv() != null) {
      if (shared) {
        keysAndValues(ops, i, step, rows);
        attend(ops, i, step, rows);
      } else {
        project(ops, w, rows);
        AttentionShape shape = config.attention();
        ops.ropeAttention(attended, qkv, attentions.get(i), step, cache, i, shape, rows);
      }
      addOutput(ops, x, attended, w, rows);
    }
    feedForward(ops, x, w, rows);
  }

  /** The rows' queries, and their keys and values in the cache; none in a layer without. */
  private void keysAndValues(Ops ops, int i, StepInputs step, int rows) {
    LlamaWeights.Layer w = weights.layers().get(i);
    if (w.qkv() == null) {
      return;
    }
    project(ops, w, rows);
    ops.ropeAppend(qkv, attentions.get(i), step, cache, i, config.attention(), rows);
  }

  /** What the normed rows' queries, keys and values are made of. */
  private void project(Ops ops, LlamaWeights.Layer w, int rows) {
    ops.rmsNorm(normed, x, w.attentionNorm(), config.normEps(), rows);
    ops.linear(qkv, inOrder(ops, normed, w.extras().qkvOrder(), rows), w.qkv(), rows);
  }

  /** The rest of the last layer, for the wanted rows alone. */
  private void lastRows(StepInputs step, int rows, int wanted) {
    int last = config.layers() - 1;
    LlamaWeights.Layer w = weights.layers().get(last);
    ops.gatherRows(wantedX, x, step.logitRows(), wanted);
    if (w.qkv() != null) {
      attend(promptOps, last, step, rows);
      ops.gatherRows(wantedAttended, attended, step.logitRows(), wanted);
      addOutput(ops, wantedX, wantedAttended, w, wanted);
    }
    feedForward(ops, wantedX, w, wanted);
  }

  /** x += (silu(norm(x) · Gᵀ) ∘ (norm(x) · Uᵀ)) · Downᵀ. */
  private void feedForward(Ops ops, Tensor x, LlamaWeights.Layer w, int rows) {
    if (w.gateUp() == null) {
      return;
    }
    Tensor inner = this.inner.get(w.down().cols());
    ops.rmsNorm(normed, x, w.ffnNorm(), config.normEps(), rows);
    Tensor ordered = inOrder(ops, normed, w.extras().gateUpOrder(), rows);
    ops.swiGlu(inner, ordered, w.gateUp(), rows);
    ops.linearAdd(x, inOrder(ops, inner, w.extras().downOrder(), rows), w.down(), rows);
  }

  private void attend(Ops ops, int layer, StepInputs step, int rows) {
    AttentionShape shape = config.attention();
    int window = attentions.get(layer).window();
    if (window == 0) {
      ops.attention(attended, qkv, cache, layer, step, shape, rows);
    } else {
      ops.slidingAttention(attended, qkv, cache, layer, step, shape, window, rows);
    }
  }

  /** x += attended · Wo (+ bias). */
  private void addOutput(Ops ops, Tensor x, Tensor attended, LlamaWeights.Layer w, int rows) {
    ops.linearAdd(x, inOrder(ops, attended, w.extras().oOrder(), rows), w.o(), rows);
    if (w.extras().oBias() != null) {
      ops.addBias(x, w.extras().oBias(), rows);
    }
  }

  /** The inputs of a weight in the order that it has them: themselves, or a reordered copy. */
  private Tensor inOrder(Ops ops, Tensor inputs, IntTensor order, int rows) {
    if (order == null) {
      return inputs;
    }
    Tensor copy = reordered.get(inputs.cols());
    ops.gatherCols(copy, inputs, order, rows);
    return copy;
  }

  private void head(Tensor logits, Tensor x, int rows) {
    ops.rmsNorm(normed, x, weights.outputNorm(), config.normEps(), rows);
    ops.linear(logits, normed, weights.output(), rows);
  }
}
