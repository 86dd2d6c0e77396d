package io.sailfish.llama.model;

import io.sailfish.kernels.AttentionShape;
import java.util.List;

/**
 * Hyper-parameters of a Llama-family model; the only place that has them.
 *
 * @param name for people
 * @param layers number of transformer blocks
 * @param hidden width of the residual stream
 * @param inner width of the feed-forward layer, the widest where they differ
 * @param attention heads and head dim; most key/value heads where layers differ
 * @param variant what the family does otherwise than Llama
 * @param vocabulary number of tokens
 * @param context longest sequence the model was made for, in tokens
 * @param normEps epsilon of the RMS norms
 * @param rope rotary embedding
 * @param tiedEmbeddings the output head is the embedding table
 * @param layerSizes of each layer; empty = all alike
 */
public record ModelConfig(
    String name,
    int layers,
    int hidden,
    int inner,
    AttentionShape attention,
    AttentionVariant variant,
    int vocabulary,
    int context,
    float normEps,
    RopeConfig rope,
    boolean tiedEmbeddings,
    List<LayerSizes> layerSizes) {
  public ModelConfig {
    layerSizes = List.copyOf(layerSizes);
  }

  /** Sizes of a layer. */
  public LayerSizes sizes(int layer) {
    return layerSizes.isEmpty()
        ? new LayerSizes(attention.kvHeads(), inner)
        : layerSizes.get(layer);
  }
}
