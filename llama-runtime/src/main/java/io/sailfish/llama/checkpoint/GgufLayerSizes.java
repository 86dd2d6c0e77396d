package io.sailfish.llama.checkpoint;

import io.sailfish.llama.model.LayerSizes;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Heads and feed-forward widths of a GGUF model: a number for all layers, or an array with one for
 * each, where 0 leaves the layer's attention or feed-forward part out.
 */
final class GgufLayerSizes {
  private static final int MAX_LAYERS = 4096;
  private static final int MAX_HEADS = 65536;
  private static final int MAX_INNER = 1 << 24;

  private final GgufMetadata meta;
  private final String headKey;
  private final String kvHeadKey;
  private final String innerKey;
  private final int layers;
  private final int heads;
  private final int[] kvHeads;
  private final int[] inner;
  private final int mostKvHeads;

  /**
   * @param prefix of the architecture's keys, with its dot
   */
  GgufLayerSizes(GgufMetadata meta, String prefix) {
    this.meta = meta;
    this.headKey = prefix + "attention.head_count";
    this.kvHeadKey = prefix + "attention.head_count_kv";
    this.innerKey = prefix + "feed_forward_length";
    this.layers = meta.integer(prefix + "block_count", 1, MAX_LAYERS);
    int[] headsOfLayers = sizes(headKey, MAX_HEADS);
    this.heads = largest(headsOfLayers, headKey);
    this.kvHeads = meta.has(kvHeadKey) ? sizes(kvHeadKey, heads) : headsOfLayers.clone();
    this.inner = sizes(innerKey, MAX_INNER);
    for (int i = 0; i < layers; i++) {
      kvHeads[i] = headsOfLayers[i] == 0 ? 0 : kvHeads[i];
    }
    this.mostKvHeads = largest(kvHeads, kvHeadKey);
    for (int i = 0; i < layers; i++) {
      checkHeads(i, headsOfLayers[i]);
    }
  }

  /** Of each layer; one number stands for all. */
  private int[] sizes(String key, int max) {
    if (!meta.isArray(key)) {
      int all = meta.integer(key, 1, max);
      return IntStream.range(0, layers).map(i -> all).toArray();
    }
    if (meta.count(key) != layers) {
      throw meta.fail(key, meta.count(key) + " elements", "there are %d layers".formatted(layers));
    }
    int[] each = meta.integers(key);
    for (int size : each) {
      if (size < 0 || size > max) {
        throw meta.fail(key, "" + size, "must lie in [0, %d]".formatted(max));
      }
    }
    return each;
  }

  private int largest(int[] sizes, String key) {
    int largest = IntStream.of(sizes).max().orElse(0);
    if (largest == 0) {
      throw meta.fail(key, "0", "one layer at least must have some");
    }
    return largest;
  }

  private void checkHeads(int layer, int own) {
    if (own != 0 && own != heads) {
      throw meta.fail(
          headKey,
          "%d in layer %d".formatted(own, layer),
          "run are 0 and one number, here %d, in the other layers".formatted(heads));
    }
    if (own != 0 && (kvHeads[layer] == 0 || mostKvHeads % kvHeads[layer] != 0)) {
      throw meta.fail(
          kvHeadKey,
          "%d in layer %d".formatted(kvHeads[layer], layer),
          "must divide the most of a layer, %d".formatted(mostKvHeads));
    }
  }

  int layers() {
    return layers;
  }

  int heads() {
    return heads;
  }

  /** The most of a layer. */
  int kvHeads() {
    return mostKvHeads;
  }

  /** The widest. */
  int inner() {
    return largest(inner, innerKey);
  }

  /** Empty where all layers are alike. */
  List<LayerSizes> each() {
    List<LayerSizes> each = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      each.add(new LayerSizes(kvHeads[i], inner[i]));
    }
    return each.stream().distinct().count() == 1 ? List.of() : each;
  }
}
