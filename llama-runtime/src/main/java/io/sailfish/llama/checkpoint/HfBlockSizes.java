package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.llama.model.LayerSizes;
import java.util.ArrayList;
import java.util.List;

/**
 * Sizes of the layers of a DeciLM (Nemotron's searched Llamas), out of {@code block_configs}: for
 * each layer {@code attention.n_heads_in_group} and {@code ffn.ffn_mult}, or {@code no_op} for a
 * part that is left out. The feed-forward width follows as in the configuration class that comes
 * with these models: two thirds of ffn_mult times the hidden size, rounded up to whole 256.
 */
final class HfBlockSizes {
  private static final String BLOCKS = "block_configs";
  private static final int STEP = 256;

  private final JsonFields json;
  private final int hidden;
  private final int heads;
  private final int maxInner;

  HfBlockSizes(JsonFields json, int hidden, int heads, int maxInner) {
    this.json = json;
    this.hidden = hidden;
    this.heads = heads;
    this.maxInner = maxInner;
  }

  List<LayerSizes> read(int layers) {
    List<JsonFields> blocks = json.objects(BLOCKS);
    if (blocks.size() != layers) {
      throw json.fail(BLOCKS, blocks.size() + " blocks", "num_hidden_layers is " + layers);
    }
    List<LayerSizes> sizes = new ArrayList<>();
    for (JsonFields block : blocks) {
      sizes.add(new LayerSizes(kvHeads(block.object("attention")), inner(block.object("ffn"))));
    }
    int most = sizes.stream().mapToInt(LayerSizes::kvHeads).max().orElse(0);
    if (most == 0 || sizes.stream().allMatch(size -> size.inner() == 0)) {
      throw json.fail(BLOCKS, "no_op in every layer", "one layer at least must have some");
    }
    for (LayerSizes size : sizes) {
      if (size.kvHeads() != 0 && most % size.kvHeads() != 0) {
        throw json.fail(
            BLOCKS,
            size.kvHeads() + " key/value heads",
            "must divide the most of a layer, " + most);
      }
    }
    return sizes;
  }

  private int kvHeads(JsonFields attention) {
    refuse(attention, "replace_with_linear");
    refuse(attention, "window_length");
    refuse(attention, "sparsify");
    if (attention.flag("no_op", false)) {
      return 0;
    }
    int group = attention.integer("n_heads_in_group", 1, heads);
    if (heads % group != 0) {
      throw attention.fail("n_heads_in_group", group, "must divide num_attention_heads = " + heads);
    }
    return heads / group;
  }

  private int inner(JsonFields ffn) {
    refuse(ffn, "replace_with_linear");
    refuse(ffn, "sparsify");
    if (ffn.flag("no_op", false)) {
      return 0;
    }
    if (ffn.has("intermediate_size")) {
      return ffn.integer("intermediate_size", 1, maxInner);
    }
    double width = Math.floor(2 * ffn.positive("ffn_mult") * hidden / 3);
    if (width > maxInner - STEP) {
      throw ffn.fail("ffn_mult", ffn.value("ffn_mult"), "makes a layer of %.0f".formatted(width));
    }
    return Math.max(STEP, ((int) width + STEP - 1) / STEP * STEP);
  }

  /** A field that would change the arithmetic; false and null do not. */
  private static void refuse(JsonFields part, String key) {
    JsonNode value = part.value(key);
    if (part.has(key) && !(value.isBoolean() && !value.booleanValue())) {
      throw part.fail(key, value, "it changes the arithmetic and is not implemented");
    }
  }
}
