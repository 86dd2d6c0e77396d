package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.KvCache;
import java.nio.FloatBuffer;

/**
 * fp32 keys and values off-heap, one buffer a layer and run of blocks. A block of a layer holds for
 * each key/value head
 *
 * <pre>
 * keys   [headDim][paddedTokens]   transposed: a vector holds the same dimension of many tokens
 * values [blockTokens][paddedDim]  a vector holds many dimensions of one token
 * </pre>
 *
 * so that q·K and p·V are both plain matrix products with sums in ascending order and nothing is
 * ever summed across the lanes of a vector. Paddings are multiples of {@link #LANES}.
 */
final class CpuKvCache implements KvCache {
  /** Widest vector in floats: columns of any tile are a multiple of it. */
  static final int LANES = 16;

  final AttentionShape shape;
  final int layers;
  final int paddedTokens;
  final int paddedDim;
  private final int numBlocks;
  private final int blockTokens;

  /** Floats of the keys, then of the values, of one head in one block of one layer. */
  final int keyFloats;

  final int valueFloats;
  private final int blockFloats;
  private final int blocksPerChunk;
  private final FloatBuffer[][] chunks;

  CpuKvCache(int layers, int numBlocks, int blockTokens, AttentionShape shape) {
    if (layers <= 0 || numBlocks <= 0 || blockTokens <= 0) {
      throw new IllegalArgumentException(
          "KV cache: layers=%d, numBlocks=%d, blockTokens=%d must all be positive"
              .formatted(layers, numBlocks, blockTokens));
    }
    this.shape = shape;
    this.layers = layers;
    this.numBlocks = numBlocks;
    this.blockTokens = blockTokens;
    this.paddedTokens = padded(blockTokens);
    this.paddedDim = padded(shape.headDim());
    this.keyFloats = Math.multiplyExact(shape.headDim(), paddedTokens);
    this.valueFloats = Math.multiplyExact(blockTokens, paddedDim);
    this.blockFloats = Math.multiplyExact(shape.kvHeads(), keyFloats + valueFloats);
    this.blocksPerChunk = Math.max(1, Math.min(numBlocks, OffHeap.MAX_WORDS / blockFloats));
    int numChunks = (numBlocks + blocksPerChunk - 1) / blocksPerChunk;
    this.chunks = new FloatBuffer[layers][numChunks];
    for (FloatBuffer[] layer : chunks) {
      for (int i = 0; i < numChunks; i++) {
        int blocks = Math.min(blocksPerChunk, numBlocks - i * blocksPerChunk);
        layer[i] = OffHeap.allocate((long) blocks * blockFloats * 4, "KV cache").asFloatBuffer();
      }
    }
  }

  static long blockBytes(int layers, int blockTokens, AttentionShape shape) {
    long floats =
        (long) shape.headDim() * padded(blockTokens) + (long) blockTokens * padded(shape.headDim());
    return 4L * layers * shape.kvHeads() * floats;
  }

  private static int padded(int count) {
    return Math.multiplyExact((count + LANES - 1) / LANES, LANES);
  }

  /** The buffer that holds a block of a layer. */
  FloatBuffer chunk(int layer, int block) {
    return chunks[layer][block / blocksPerChunk];
  }

  /** Index in {@link #chunk} of a head's keys; its values follow. */
  int headOffset(int block, int kvHead) {
    return block % blocksPerChunk * blockFloats + kvHead * (keyFloats + valueFloats);
  }

  /** Stores one token's key and value, {@code headDim} floats each, for one head. */
  void put(int layer, int slot, int kvHead, float[] src, int keyAt, int valueAt) {
    int block = slot / blockTokens;
    int token = slot % blockTokens;
    FloatBuffer chunk = chunk(layer, block);
    int keys = headOffset(block, kvHead);
    for (int d = 0; d < shape.headDim(); d++) {
      chunk.put(keys + d * paddedTokens + token, src[keyAt + d]);
    }
    chunk.put(keys + keyFloats + token * paddedDim, src, valueAt, shape.headDim());
  }

  /** Copies a block of all layers over another. */
  void copy(int fromBlock, int toBlock) {
    float[] staged = new float[blockFloats];
    for (int layer = 0; layer < layers; layer++) {
      chunk(layer, fromBlock).get(headOffset(fromBlock, 0), staged);
      chunk(layer, toBlock).put(headOffset(toBlock, 0), staged);
    }
  }

  float key(int layer, int slot, int kvHead, int dim) {
    int block = slot / blockTokens;
    int at = headOffset(block, kvHead) + dim * paddedTokens + slot % blockTokens;
    return chunk(layer, block).get(at);
  }

  float value(int layer, int slot, int kvHead, int dim) {
    int block = slot / blockTokens;
    int at = headOffset(block, kvHead) + keyFloats + slot % blockTokens * paddedDim + dim;
    return chunk(layer, block).get(at);
  }

  @Override
  public int numBlocks() {
    return numBlocks;
  }

  @Override
  public int blockTokens() {
    return blockTokens;
  }
}
