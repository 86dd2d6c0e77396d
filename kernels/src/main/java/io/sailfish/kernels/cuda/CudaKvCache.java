package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;

/**
 * Keys and values on the card: layer after layer, each {@code [block][kvHead][key,
 * value][paddedDim/8][16][8]} of the activations' type, the head dim rounded up to 16; behind them
 * the history, the id of the token at each slot. Zeroed when made.
 *
 * @param address device address of layer 0
 */
record CudaKvCache(int layers, int numBlocks, AttentionShape shape, long address)
    implements KvCache {
  /** Tokens of a block: one k16 step of the tensor cores. */
  static final int TOKENS = 16;

  static final int MAX_HEAD_DIM = 128;

  /** Refuses shapes that the attention kernels do not serve. */
  static void check(int blockTokens, AttentionShape shape) {
    if (blockTokens != TOKENS) {
      throw new KernelException("KV cache", "blockTokens", TOKENS, blockTokens);
    }
    if (shape.headDim() % 8 != 0 || shape.headDim() > MAX_HEAD_DIM) {
      throw new KernelException(
          "attention", "headDim", "a multiple of 8 up to " + MAX_HEAD_DIM, shape.headDim());
    }
  }

  /** Head dim as the cache and the kernels have it. */
  static int paddedDim(AttentionShape shape) {
    return (shape.headDim() + 15) / 16 * 16;
  }

  /** Bytes of a block of all layers, its tokens' ids included. */
  static long blockBytes(int layers, AttentionShape shape) {
    return layers * layerBlockBytes(shape) + TOKENS * Integer.BYTES;
  }

  /** Bytes of a block of one layer. */
  static long layerBlockBytes(AttentionShape shape) {
    return 2L * shape.kvHeads() * TOKENS * paddedDim(shape) * Short.BYTES;
  }

  long layerBytes() {
    return numBlocks * layerBlockBytes(shape);
  }

  long layerAddress(int layer) {
    return address + layer * layerBytes();
  }

  /** Address of the tokens' ids, {@code [numBlocks][16]}. */
  long historyAddress() {
    return layerAddress(layers);
  }

  @Override
  public int blockTokens() {
    return TOKENS;
  }
}
