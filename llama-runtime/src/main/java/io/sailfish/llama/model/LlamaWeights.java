package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A model's weights, packed by the backend that owns them.
 *
 * @param embedding {@code [vocabulary, hidden]}
 * @param layers from the first to the last
 * @param outputNorm {@code [1, hidden]}
 * @param output {@code [vocabulary, hidden]}; the embedding itself when they are tied
 */
public record LlamaWeights(Weight embedding, List<Layer> layers, Tensor outputNorm, Weight output) {

  /**
   * One transformer block. What belongs to attention or to feed-forward is null in a layer without.
   *
   * @param attentionNorm {@code [1, hidden]}
   * @param qkv {@code [(heads + 2 kvHeads) headDim, hidden]}: q over k over v
   * @param o {@code [hidden, heads headDim]}
   * @param ffnNorm {@code [1, hidden]}
   * @param gateUp {@code [2 inner, hidden]}: gate over up
   * @param down {@code [hidden, inner]}
   * @param extras what a plain Llama has not
   */
  public record Layer(
      Tensor attentionNorm,
      Weight qkv,
      Weight o,
      Tensor ffnNorm,
      Weight gateUp,
      Weight down,
      Extras extras) {
    /** The matrices whose inputs are in an order of their own. */
    List<Weight> reordering() {
      List<Weight> out = new ArrayList<>();
      if (extras.qkvOrder != null) {
        out.add(qkv);
      }
      if (extras.oOrder != null) {
        out.add(o);
      }
      if (extras.gateUpOrder != null) {
        out.add(gateUp);
      }
      if (extras.downOrder != null) {
        out.add(down);
      }
      return out;
    }
  }

  /**
   * What some families and formats add to a block; each null where there is none.
   *
   * @param qkvBias {@code [1, (heads + 2 kvHeads) headDim]}
   * @param oBias {@code [1, hidden]}
   * @param qNorm {@code [1, headDim]}
   * @param kNorm {@code [1, headDim]}
   * @param qkvOrder order in which qkv has its inputs ({@link WeightSource#inputOrder()})
   * @param oOrder the same of o
   * @param gateUpOrder the same of gateUp
   * @param downOrder the same of down
   */
  public record Extras(
      Tensor qkvBias,
      Tensor oBias,
      Tensor qNorm,
      Tensor kNorm,
      IntTensor qkvOrder,
      IntTensor oOrder,
      IntTensor gateUpOrder,
      IntTensor downOrder) {
    /** Llama's own layers have nothing more. */
    public static final Extras NONE = new Extras(null, null, null, null, null, null, null, null);
  }

  /** Packs all weights; the checkpoint may be closed afterwards. */
  public static LlamaWeights load(Checkpoint checkpoint, Backend backend) {
    return load(checkpoint, backend, StreamedLayers.NONE);
  }

  /** The same where some layers' matrices stay on the host. */
  public static LlamaWeights load(Checkpoint checkpoint, Backend backend, StreamedLayers streamed) {
    return new WeightLoader(checkpoint, backend).load(streamed);
  }

  /** Bytes that the packed matrices take. */
  public long bytes() {
    long sum = embedding.bytes() + (output == embedding ? 0 : output.bytes());
    for (Layer layer : layers) {
      for (Weight weight : Arrays.asList(layer.qkv, layer.o, layer.gateUp, layer.down)) {
        sum += weight == null ? 0 : weight.bytes();
      }
    }
    return sum;
  }
}
