package io.sailfish.llama.model;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;

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
      ops.linear(qkv, normed, w.qkv(), rows);
      ops.rope(qkv, cosSin, step.positions(), shape, interleaved, rows);
      ops.kvAppend(cache, i, qkv, step.slots(), shape, rows);
      if (i == last) {
        break; // from here on only the rows whose logits are wanted matter
      }
      ops.attention(attended, qkv, cache, i, step, shape, rows);
      ops.linearAdd(x, attended, w.o(), rows);
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
    ops.attention(attended, qkv, cache, last, step, config.attention(), rows);
    ops.gatherRows(wantedX, x, step.logitRows(), wanted);
    ops.gatherRows(wantedAttended, attended, step.logitRows(), wanted);
    ops.linearAdd(wantedX, wantedAttended, w.o(), wanted);
    feedForward(wantedX, w, wanted);
    ops.rmsNorm(normed, wantedX, weights.outputNorm(), config.normEps(), wanted);
    ops.linear(logits, normed, weights.output(), wanted);
  }

  /** x += (silu(norm(x) · Gᵀ) ∘ (norm(x) · Uᵀ)) · Downᵀ. */
  private void feedForward(Tensor x, LlamaWeights.Layer w, int rows) {
    ops.rmsNorm(normed, x, w.ffnNorm(), config.normEps(), rows);
    ops.swiGlu(inner, normed, w.gateUp(), rows);
    ops.linearAdd(x, inner, w.down(), rows);
  }
}
