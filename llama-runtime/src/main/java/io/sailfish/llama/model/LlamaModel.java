package io.sailfish.llama.model;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import java.util.HashMap;
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
  private final KvCache cache;
  private final Tensor cosSin; // [context, headDim]
  private final Tensor x; // [rows, hidden] residual stream
  private final Tensor normed; // [rows, hidden]
  private final Tensor qkv; // [rows, (heads + 2 kvHeads) headDim]
  private final Tensor attended; // [rows, heads headDim]
  private final Tensor inner; // [rows, inner]
  private final Tensor wantedX; // [logitRows, hidden]
  private final Tensor wantedAttended; // [logitRows, heads headDim]
  private final Tensor logits; // [logitRows, vocabulary]
  private final Map<Integer, Tensor> reordered = new HashMap<>(); // by cols: [rows, cols]

  /**
   * What has to fit.
   *
   * @param rows rows of the largest step
   * @param logitRows most logit rows of a step
   * @param context positions of the rope table
   */
  public record Sizes(int rows, int logitRows, int context) {}

  public LlamaModel(
      ModelConfig config, LlamaWeights weights, Backend backend, KvCache cache, Sizes sizes) {
    AttentionShape shape = config.attention();
    int rows = sizes.rows();
    int wanted = sizes.logitRows();
    this.config = config;
    this.weights = weights;
    this.ops = backend.ops();
    this.cache = cache;
    this.cosSin = RopeTable.make(backend, config.rope(), shape.headDim(), sizes.context());
    this.x = backend.floats(rows, config.hidden(), "residual stream");
    this.normed = backend.floats(rows, config.hidden(), "normed rows");
    this.qkv = backend.floats(rows, shape.qkvCols(), "q|k|v rows");
    this.attended = backend.floats(rows, shape.qCols(), "attention rows");
    this.inner = backend.floats(rows, config.inner(), "feed-forward rows");
    this.wantedX = backend.floats(wanted, config.hidden(), "rows that need logits");
    this.wantedAttended = backend.floats(wanted, shape.qCols(), "their attention rows");
    this.logits = backend.floats(wanted, config.vocabulary(), "logits");
    for (LlamaWeights.Layer w : weights.layers()) {
      for (Weight reorders : w.reordering()) {
        reordered.computeIfAbsent(
            reorders.cols(), cols -> backend.floats(rows, cols, "reordered inputs"));
      }
    }
  }

  /**
   * Computes {@code rows} rows and the logits of {@code wanted} of them.
   *
   * @return {@code [logitRows, vocabulary]}, the first {@code wanted} rows set, until the next call
   */
  public Tensor forward(StepInputs step, int rows, int wanted) {
    AttentionShape shape = config.attention();
    boolean interleaved = config.rope().interleaved();
    int last = config.layers() - 1;

    ops.embed(x, weights.embedding(), step.tokenIds(), rows);
    for (int i = 0; i <= last; i++) {
      LlamaWeights.Layer w = weights.layers().get(i);
      // x += attention(norm(x)) · Wo
      ops.rmsNorm(normed, x, w.attentionNorm(), config.normEps(), rows);
      ops.linear(qkv, inOrder(normed, w.extras().qkvOrder(), rows), w.qkv(), rows);
      if (w.extras().qkvBias() != null) {
        ops.addBias(qkv, w.extras().qkvBias(), rows);
      }
      if (w.extras().qNorm() != null) {
        Tensor qNorm = w.extras().qNorm();
        ops.headNorm(qkv, qNorm, w.extras().kNorm(), config.normEps(), shape, rows);
      }
      ops.rope(qkv, cosSin, step.positions(), shape, interleaved, rows);
      ops.kvAppend(cache, i, qkv, step.slots(), shape, rows);
      if (i == last) {
        break; // from here on only the rows whose logits are wanted matter
      }
      attend(i, step, rows);
      addOutput(x, attended, w, rows);
      feedForward(x, w, rows);
    }
    if (wanted > 0) {
      lastRows(step, rows, wanted);
    }
    return logits;
  }

  /** The rest of the last layer and the output head, for the wanted rows alone. */
  private void lastRows(StepInputs step, int rows, int wanted) {
    int last = config.layers() - 1;
    LlamaWeights.Layer w = weights.layers().get(last);
    attend(last, step, rows);
    ops.gatherRows(wantedX, x, step.logitRows(), wanted);
    ops.gatherRows(wantedAttended, attended, step.logitRows(), wanted);
    addOutput(wantedX, wantedAttended, w, wanted);
    feedForward(wantedX, w, wanted);
    ops.rmsNorm(normed, wantedX, weights.outputNorm(), config.normEps(), wanted);
    ops.linear(logits, normed, weights.output(), wanted);
  }

  /** x += (silu(norm(x) · Gᵀ) ∘ (norm(x) · Uᵀ)) · Downᵀ. */
  private void feedForward(Tensor x, LlamaWeights.Layer w, int rows) {
    ops.rmsNorm(normed, x, w.ffnNorm(), config.normEps(), rows);
    ops.swiGlu(inner, inOrder(normed, w.extras().gateUpOrder(), rows), w.gateUp(), rows);
    ops.linearAdd(x, inOrder(inner, w.extras().downOrder(), rows), w.down(), rows);
  }

  private void attend(int layer, StepInputs step, int rows) {
    AttentionShape shape = config.attention();
    int window = config.variant().window(layer);
    if (window == 0) {
      ops.attention(attended, qkv, cache, layer, step, shape, rows);
    } else {
      ops.slidingAttention(attended, qkv, cache, layer, step, shape, window, rows);
    }
  }

  /** x += attended · Wo (+ bias). */
  private void addOutput(Tensor x, Tensor attended, LlamaWeights.Layer w, int rows) {
    ops.linearAdd(x, inOrder(attended, w.extras().oOrder(), rows), w.o(), rows);
    if (w.extras().oBias() != null) {
      ops.addBias(x, w.extras().oBias(), rows);
    }
  }

  /** The inputs of a weight in the order that it has them: themselves, or a reordered copy. */
  private Tensor inOrder(Tensor inputs, IntTensor order, int rows) {
    if (order == null) {
      return inputs;
    }
    Tensor copy = reordered.get(inputs.cols());
    ops.gatherCols(copy, inputs, order, rows);
    return copy;
  }
}
