package io.sailfish.kernels;

/**
 * Keys and values of all layers in blocks of {@link #blockTokens()} token slots. Slot = {@code
 * blockId * blockTokens + position % blockTokens}. Which block belongs to whom is the engine's
 * business.
 */
public interface KvCache {
  int numBlocks();

  int blockTokens();
}
