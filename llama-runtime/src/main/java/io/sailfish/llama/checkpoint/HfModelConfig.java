package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.llama.model.AttentionVariant;
import io.sailfish.llama.model.LayerSizes;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * {@link ModelConfig} out of the {@code config.json} of a HuggingFace folder. Defaults of keys that
 * are left out are those of transformers' configuration classes. What would change the arithmetic
 * and is not known here is an error.
 */
final class HfModelConfig {
  private static final int MAX_HEADS = 65536;
  private static final int MAX_WIDTH = 1 << 20;
  private static final int MAX_INNER = 1 << 24;
  private static final String ARCHITECTURES = "architectures";

  /** Families that are run, by the name of their architecture. */
  private enum Family {
    LLAMA("LlamaForCausalLM"),
    DECI("DeciLMForCausalLM"),
    MISTRAL("MistralForCausalLM"),
    QWEN2("Qwen2ForCausalLM"),
    QWEN3("Qwen3ForCausalLM");

    final String architecture;

    Family(String architecture) {
      this.architecture = architecture;
    }
  }

  private static final Set<String> KNOWN =
      Set.of(
          "rope_theta",
          "rope_scaling",
          "rope_parameters",
          "rope_interleaved",
          "partial_rotary_factor",
          "rms_norm_eps",
          "attention_bias",
          "mlp_bias",
          "sliding_window",
          "use_sliding_window",
          "max_window_layers",
          "use_mrope");

  /** Keys that change the arithmetic in architectures derived from these. */
  private static final Pattern ARITHMETIC =
      Pattern.compile(
          ".*(norm|bias|window|rope|rotary|scale|scaling|multiplier|softcap|capping|expert|moe"
              + "|residual|parallel_block|clip).*");

  private final JsonFields json;
  private final String folderName;
  private final Family family;

  private HfModelConfig(JsonFields json, String folderName) {
    this.json = json;
    this.folderName = folderName;
    this.family = family();
  }

  /**
   * @param folderName names a model whose configuration names none
   */
  static ModelConfig read(JsonFields json, String folderName) {
    return new HfModelConfig(json, folderName).read();
  }

  private Family family() {
    List<String> names = new ArrayList<>();
    for (Family known : Family.values()) {
      names.add(known.architecture);
      if (json.has(ARCHITECTURES)
          && json.texts(ARCHITECTURES).equals(List.of(known.architecture))) {
        return known;
      }
    }
    throw json.fail(
        ARCHITECTURES, json.value(ARCHITECTURES), "run are " + String.join(", ", names));
  }

  private ModelConfig read() {
    refuseUnsupported();
    int hidden = json.integer("hidden_size", 1, MAX_WIDTH);
    int layers = json.integer("num_hidden_layers", 1, 4096);
    List<LayerSizes> sizes = family == Family.DECI ? deciSizes(hidden, layers) : List.of();
    AttentionShape attention = attention(hidden, sizes);
    return new ModelConfig(
        name(),
        layers,
        hidden,
        sizes.isEmpty()
            ? json.integer("intermediate_size", 1, MAX_INNER)
            : sizes.stream().mapToInt(LayerSizes::inner).max().orElseThrow(),
        attention,
        variant(layers),
        json.integer("vocab_size", 1, 1 << 24),
        json.integer("max_position_embeddings", 1, 1 << 30),
        (float) json.positive("rms_norm_eps", 1e-6),
        rope(),
        json.flag("tie_word_embeddings", false),
        sizes);
  }

  private String name() {
    String path = json.text("_name_or_path", "").strip();
    String last = path.substring(path.lastIndexOf('/') + 1);
    return last.isEmpty() || last.equals(".") ? folderName : last;
  }

  private void refuseUnsupported() {
    String activation = json.text("hidden_act", "silu");
    if (!activation.equals("silu")) {
      throw json.fail("hidden_act", activation, "silu is run");
    }
    for (String key : List.of("mlp_bias", "rope_interleaved", "use_mrope")) {
      if (json.flag(key, false)) {
        throw json.fail(key, "true", "it changes the arithmetic and is not implemented");
      }
    }
    if (json.positive("partial_rotary_factor", 1) != 1) {
      throw json.fail("partial_rotary_factor", json.value("partial_rotary_factor"), "1 is run");
    }
    for (String key : json.keys()) {
      boolean set = json.has(key) && !(json.value(key).isBoolean() && !json.flag(key, false));
      if (set && !KNOWN.contains(key) && ARITHMETIC.matcher(key).matches()) {
        throw json.fail(key, json.value(key), "it changes the arithmetic and is not implemented");
      }
    }
  }

  /** Layers that a search has made smaller, each in its own way. */
  private List<LayerSizes> deciSizes(int hidden, int layers) {
    int heads = json.integer("num_attention_heads", 1, MAX_HEADS);
    return new HfBlockSizes(json, hidden, heads, MAX_INNER).read(layers);
  }

  private AttentionShape attention(int hidden, List<LayerSizes> sizes) {
    int heads = json.integer("num_attention_heads", 1, MAX_HEADS);
    String kv = "num_key_value_heads";
    int kvHeads =
        switch (family) {
          case DECI -> sizes.stream().mapToInt(LayerSizes::kvHeads).max().orElseThrow();
          case LLAMA -> json.integer(kv, 1, heads, heads);
          default -> json.integer(kv, 1, heads);
        };
    if (heads % kvHeads != 0) {
      throw json.fail(kv, kvHeads, "must divide num_attention_heads = " + heads);
    }
    boolean given = json.has("head_dim");
    if (!given && family != Family.QWEN3 && hidden % heads != 0) {
      throw json.fail(
          "num_attention_heads",
          heads,
          "must divide hidden_size = %d without head_dim".formatted(hidden));
    }
    int otherwise = family == Family.QWEN3 ? 128 : hidden / heads;
    int headDim = given ? json.integer("head_dim", 2, 65536) : otherwise;
    if (headDim % 2 != 0) {
      throw json.fail("head_dim", headDim, "must be even for rotary embeddings");
    }
    return new AttentionShape(heads, kvHeads, headDim);
  }

  private AttentionVariant variant(int layers) {
    boolean biases = json.flag("attention_bias", false);
    return switch (family) {
      case LLAMA, DECI -> new AttentionVariant(biases, biases, false, windows(layers, false));
      case MISTRAL -> new AttentionVariant(false, false, false, windows(layers, true));
      case QWEN2 -> new AttentionVariant(true, false, false, qwenWindows(layers));
      case QWEN3 -> new AttentionVariant(biases, biases, true, qwenWindows(layers));
    };
  }

  /** Mistral: a window in every layer unless it is null; Llama has none. */
  private List<Integer> windows(int layers, boolean byDefault) {
    if (!byDefault) {
      if (json.has("sliding_window")) {
        throw json.fail("sliding_window", json.value("sliding_window"), "a Llama has none");
      }
      return List.of();
    }
    boolean none = json.mentions("sliding_window") && !json.has("sliding_window");
    return none
        ? List.of()
        : slidingFrom(0, layers, json.integer("sliding_window", 1, 1 << 30, 4096));
  }

  private List<Integer> qwenWindows(int layers) {
    if (!json.flag("use_sliding_window", false) || !json.has("sliding_window")) {
      return List.of();
    }
    int window = json.integer("sliding_window", 1, 1 << 30);
    return slidingFrom(json.integer("max_window_layers", 0, 1 << 20, 28), layers, window);
  }

  /** Layers from {@code first} on slide, unless {@code layer_types} says which. */
  private List<Integer> slidingFrom(int first, int layers, int window) {
    List<String> types = json.has("layer_types") ? json.texts("layer_types") : null;
    if (types != null && types.size() != layers) {
      throw json.fail("layer_types", types.size() + " layers", "there are " + layers);
    }
    List<Integer> windows = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      String type =
          types == null ? i < first ? "full_attention" : "sliding_attention" : types.get(i);
      if (!type.equals("full_attention") && !type.equals("sliding_attention")) {
        throw json.fail("layer_types", type, "full_attention and sliding_attention are run");
      }
      windows.add(type.equals("sliding_attention") ? window : 0);
    }
    return windows;
  }

  private RopeConfig rope() {
    // transformers 5 writes rope_parameters with theta inside, older ones rope_scaling beside it.
    String key = json.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
    JsonFields rope = json.objectOrNull(key);
    double theta =
        rope != null && rope.has("rope_theta")
            ? rope.positive("rope_theta")
            : json.positive("rope_theta", 10000);
    return new RopeConfig(theta, false, rope == null ? new RopeConfig.None() : scaling(rope));
  }

  private static RopeConfig.Scaling scaling(JsonFields rope) {
    String key = rope.has("rope_type") ? "rope_type" : "type";
    String type = rope.text(key, "default");
    return switch (type) {
      case "default", "none" -> new RopeConfig.None();
      case "linear" -> new RopeConfig.Linear(rope.positive("factor"));
      case "llama3" -> llama3(rope);
      default -> throw rope.fail(key, type, "default, linear and llama3 are run");
    };
  }

  private static RopeConfig.Llama3 llama3(JsonFields rope) {
    double low = rope.positive("low_freq_factor");
    double high = rope.positive("high_freq_factor");
    if (high <= low) {
      throw rope.fail("high_freq_factor", high, "must be above low_freq_factor = " + low);
    }
    return new RopeConfig.Llama3(
        rope.positive("factor"),
        low,
        high,
        rope.integer("original_max_position_embeddings", 1, 1 << 30));
  }

  /** Ids of a key that holds none, one or several. */
  static List<Integer> ids(JsonFields json, String key, int vocabulary) {
    List<Integer> ids = new ArrayList<>();
    JsonNode value = json.value(key);
    Iterable<JsonNode> all = value.isArray() ? value : json.has(key) ? List.of(value) : List.of();
    for (JsonNode id : all) {
      if (!id.canConvertToExactIntegral() || !id.canConvertToInt() || id.asInt() < 0) {
        throw json.fail(key, value, "must be token ids");
      }
      if (id.asInt() >= vocabulary) {
        throw json.fail(key, value, "vocab_size is " + vocabulary);
      }
      ids.add(id.asInt());
    }
    return ids;
  }
}
