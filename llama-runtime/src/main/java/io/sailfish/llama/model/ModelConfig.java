package io.sailfish.llama.model;

import io.sailfish.kernels.AttentionShape;

/**
 * Hyper-parameters of a Llama-family model; the only place that has them.
 *
 * @param name for people
 * @param layers number of transformer blocks
 * @param hidden width of the residual stream
 * @param inner width of the feed-forward layer
 * @param attention heads and head dim
 * @param variant what the family does otherwise than Llama
 * @param vocabulary number of tokens
 * @param context longest sequence the model was made for, in tokens
 * @param normEps epsilon of the RMS norms
 * @param rope rotary embedding
 * @param tiedEmbeddings the output head is the embedding table
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
    boolean tiedEmbeddings) {}
