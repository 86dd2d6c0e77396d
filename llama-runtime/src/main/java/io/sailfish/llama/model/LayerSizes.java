package io.sailfish.llama.model;

/**
 * Sizes of one layer.
 *
 * @param kvHeads key/value heads, a divisor of the model's; 0: a layer without attention
 * @param inner width of the feed-forward part; 0: a layer without
 */
public record LayerSizes(int kvHeads, int inner) {}
