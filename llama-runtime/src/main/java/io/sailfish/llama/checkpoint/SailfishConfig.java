package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.llama.model.AttentionVariant;
import io.sailfish.llama.model.LayerSizes;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Hyper-parameters and special tokens as the header of our own files has them. */
final class SailfishConfig {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Far above what models of today have; bounds what a damaged header costs. */
  private static final int MOST = 1 << 24;

  private static final int MOST_LAYERS = 1 << 12;

  private SailfishConfig() {}

  static ObjectNode write(ModelConfig c) {
    ObjectNode json = JSON.createObjectNode();
    json.put("name", c.name()).put("layers", c.layers()).put("hidden", c.hidden());
    json.put("inner", c.inner()).put("heads", c.attention().heads());
    json.put("kv_heads", c.attention().kvHeads()).put("head_dim", c.attention().headDim());
    json.put("qkv_bias", c.variant().qkvBias()).put("output_bias", c.variant().outputBias());
    json.put("head_norms", c.variant().headNorms());
    c.variant().windows().forEach(json.putArray("windows")::add);
    json.put("vocabulary", c.vocabulary()).put("context", c.context());
    json.put("norm_eps", c.normEps()).put("tied_embeddings", c.tiedEmbeddings());
    if (!c.layerSizes().isEmpty()) {
      ArrayNode kvHeads = json.putArray("layer_kv_heads");
      ArrayNode inner = json.putArray("layer_inner");
      c.layerSizes().forEach(sizes -> kvHeads.add(sizes.kvHeads()));
      c.layerSizes().forEach(sizes -> inner.add(sizes.inner()));
    }
    ObjectNode rope = json.putObject("rope");
    rope.put("theta", c.rope().theta()).put("interleaved", c.rope().interleaved());
    writeScaling(c.rope().scaling(), rope);
    return json;
  }

  private static void writeScaling(RopeConfig.Scaling scaling, ObjectNode rope) {
    if (scaling instanceof RopeConfig.Linear linear) {
      rope.put("scaling", "linear").put("factor", linear.factor());
    } else if (scaling instanceof RopeConfig.Llama3 llama3) {
      rope.put("scaling", "llama3").put("factor", llama3.factor());
      rope.put("low_freq_factor", llama3.lowFreqFactor());
      rope.put("high_freq_factor", llama3.highFreqFactor());
      rope.put("original_context", llama3.originalContext());
    } else if (scaling instanceof RopeConfig.Factors factors) {
      ArrayNode divisors = rope.put("scaling", "factors").putArray("divisors");
      for (float divisor : factors.divisors()) {
        divisors.add(divisor);
      }
    } else {
      rope.put("scaling", "none");
    }
  }

  static ModelConfig read(JsonFields json) {
    int heads = json.integer("heads", 1, MOST);
    int kvHeads = json.integer("kv_heads", 1, MOST);
    if (heads % kvHeads != 0) {
      throw json.fail("kv_heads", kvHeads, "must divide heads = " + heads);
    }
    int layers = json.integer("layers", 1, MOST_LAYERS);
    List<Integer> windows = new ArrayList<>();
    for (double window : json.numbers("windows", MOST_LAYERS)) {
      windows.add((int) window);
    }
    if (!windows.isEmpty() && windows.size() != layers) {
      throw json.fail("windows", windows.size() + " numbers", "must be one a layer, or none");
    }
    return new ModelConfig(
        json.text("name"),
        layers,
        json.integer("hidden", 1, MOST),
        json.integer("inner", 1, MOST),
        new AttentionShape(heads, kvHeads, json.integer("head_dim", 1, 1 << 16)),
        new AttentionVariant(
            json.flag("qkv_bias", false),
            json.flag("output_bias", false),
            json.flag("head_norms", false),
            windows),
        json.integer("vocabulary", 1, MOST),
        json.integer("context", 1, Integer.MAX_VALUE),
        (float) json.positive("norm_eps"),
        rope(json.object("rope"), json.integer("head_dim", 1, 1 << 16)),
        json.flag("tied_embeddings", false),
        layerSizes(json, layers, kvHeads));
  }

  /** Empty when all layers are alike. */
  private static List<LayerSizes> layerSizes(JsonFields json, int layers, int mostKvHeads) {
    List<LayerSizes> sizes = new ArrayList<>();
    if (!json.has("layer_kv_heads")) {
      return sizes;
    }
    double[] kvHeads = json.numbers("layer_kv_heads", layers);
    double[] inner = json.numbers("layer_inner", layers);
    int mostInner = json.integer("inner", 1, MOST);
    if (kvHeads.length != layers || inner.length != layers) {
      throw json.fail("layer_inner", inner.length + " numbers", "must be one a layer");
    }
    for (int i = 0; i < layers; i++) {
      boolean divides = kvHeads[i] == 0 || mostKvHeads % kvHeads[i] == 0;
      if (kvHeads[i] < 0 || !divides) {
        throw json.fail("layer_kv_heads", kvHeads[i], "must divide kv_heads = " + mostKvHeads);
      }
      if (inner[i] < 0 || inner[i] > mostInner || inner[i] != (int) inner[i]) {
        throw json.fail("layer_inner", inner[i], "must lie in [0, %d]".formatted(mostInner));
      }
      sizes.add(new LayerSizes((int) kvHeads[i], (int) inner[i]));
    }
    return sizes;
  }

  private static RopeConfig rope(JsonFields json, int headDim) {
    String kind = json.text("scaling");
    RopeConfig.Scaling scaling =
        switch (kind) {
          case "none" -> new RopeConfig.None();
          case "linear" -> new RopeConfig.Linear(json.positive("factor"));
          case "llama3" ->
              new RopeConfig.Llama3(
                  json.positive("factor"),
                  json.positive("low_freq_factor"),
                  json.positive("high_freq_factor"),
                  json.integer("original_context", 1, Integer.MAX_VALUE));
          case "factors" -> factors(json, headDim);
          default -> throw json.fail("scaling", kind, "none, linear, llama3 and factors are known");
        };
    return new RopeConfig(json.positive("theta"), json.flag("interleaved", false), scaling);
  }

  private static RopeConfig.Factors factors(JsonFields json, int headDim) {
    double[] numbers = json.numbers("divisors", headDim);
    if (numbers.length != headDim / 2) {
      throw json.fail("divisors", numbers.length + " numbers", "expected " + headDim / 2);
    }
    float[] divisors = new float[numbers.length];
    for (int i = 0; i < divisors.length; i++) {
      divisors[i] = (float) numbers[i];
      if (!(divisors[i] > 0) || Float.isInfinite(divisors[i])) {
        throw json.fail("divisors", numbers[i], "must be positive numbers");
      }
    }
    return new RopeConfig.Factors(divisors);
  }

  static ObjectNode write(TokenizerConfig c) {
    ObjectNode json = JSON.createObjectNode();
    json.put("bos_id", c.bosId()).put("add_bos", c.addBos());
    c.stopIds().stream().sorted().forEach(json.putArray("stop_ids")::add);
    return json.put("bos_text", c.bosText()).put("eos_text", c.eosText());
  }

  static TokenizerConfig readTokenizer(JsonFields json, int vocabulary) {
    Set<Integer> stops = new HashSet<>();
    for (double id : json.numbers("stop_ids", MOST_LAYERS)) {
      if (id < 0 || id >= vocabulary || id != (int) id) {
        throw json.fail("stop_ids", id, "must be token ids below " + vocabulary);
      }
      stops.add((int) id);
    }
    if (stops.isEmpty()) {
      throw json.fail("stop_ids", "[]", "answers would never end");
    }
    return new TokenizerConfig(
        json.integer("bos_id", -1, vocabulary - 1L),
        json.flag("add_bos", false),
        stops,
        json.text("bos_text"),
        json.text("eos_text"));
  }
}
