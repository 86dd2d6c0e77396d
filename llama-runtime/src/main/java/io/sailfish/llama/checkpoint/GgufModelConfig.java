package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.model.AttentionVariant;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * {@link ModelConfig} out of the metadata of a GGUF file (keys: ggml's docs/gguf.md). What would
 * change the arithmetic and is not known here is an error.
 */
final class GgufModelConfig {
  private static final String ROPE_FACTORS = "rope_freqs.weight";
  private static final int MAX_WIDTH = 1 << 20;

  private static final Set<String> KNOWN =
      Set.of(
          "attention.head_count",
          "attention.head_count_kv",
          "attention.key_length",
          "attention.value_length",
          "attention.layer_norm_rms_epsilon",
          "rope.dimension_count",
          "rope.freq_base",
          "rope.scaling.type",
          "rope.scaling.factor",
          "rope.scaling.original_context_length",
          "rope.scaling.finetuned",
          "rope.scale_linear",
          "expert_count",
          "expert_used_count");

  /** Keys that change the arithmetic in architectures derived from Llama. */
  private static final Pattern ARITHMETIC =
      Pattern.compile(
          "attention\\..*|rope\\..*|.*(scale|softcap|capping|expert|window|residual).*");

  /**
   * Architectures that are run, by llama.cpp's names (Mistral is a llama; deci: Llamas whose layers
   * a search has made smaller).
   */
  private static final List<String> ARCHITECTURES = List.of("llama", "deci", "qwen2", "qwen3");

  private final GgufFiles gguf;
  private final GgufMetadata meta;
  private final String architecture;

  private GgufModelConfig(GgufFiles gguf) {
    this.gguf = gguf;
    this.meta = gguf.metadata();
    this.architecture = meta.text("general.architecture");
    if (!ARCHITECTURES.contains(architecture)) {
      throw gguf.unsupported(
          "general.architecture", architecture, "run are " + String.join(", ", ARCHITECTURES));
    }
  }

  /** An architecture's own key. */
  private String key(String name) {
    return architecture + "." + name;
  }

  static ModelConfig read(GgufFiles gguf) {
    return new GgufModelConfig(gguf).read();
  }

  /** Tensors that are read as configuration and not as weights. */
  static boolean isConfiguration(String ggufName) {
    return ggufName.equals(ROPE_FACTORS);
  }

  private ModelConfig read() {
    refuseUnsupported();
    int hidden = meta.integer(key("embedding_length"), 1, MAX_WIDTH);
    GgufLayerSizes sizes = new GgufLayerSizes(meta, key(""));
    AttentionShape attention = attention(hidden, sizes);
    GgufTensor embedding = gguf.tensors().get("token_embd.weight");
    if (embedding == null) {
      throw gguf.fail("tensor token_embd.weight", "(none)", "the model needs it");
    }
    int vocabulary = embedding.rows();
    meta.integer(key("vocab_size"), vocabulary, vocabulary, vocabulary);
    return new ModelConfig(
        meta.text("general.name", "Llama"),
        sizes.layers(),
        hidden,
        sizes.inner(),
        attention,
        variant(),
        vocabulary,
        meta.integer(key("context_length"), 1, 1 << 30),
        (float) positive(key("attention.layer_norm_rms_epsilon")),
        rope(attention.headDim()),
        !gguf.tensors().containsKey("output.weight"),
        sizes.each());
  }

  private void refuseUnsupported() {
    if (meta.integer(key("expert_count"), 0, 1 << 20, 0) > 0) {
      throw gguf.unsupported(key("expert_count"), "> 0", "mixtures of experts are not run");
    }
    for (String key : meta.keys()) {
      String own = key.startsWith(key("")) ? key.substring(key("").length()) : "";
      if (!KNOWN.contains(own) && ARITHMETIC.matcher(own).matches()) {
        throw gguf.unsupported(key, "(set)", "it changes the arithmetic and is not implemented");
      }
    }
  }

  /** Biases by the tensors that are there: no key tells of them. */
  private AttentionVariant variant() {
    return new AttentionVariant(
        architecture.equals("qwen2") || has("attn_q.bias"),
        has("attn_output.bias"),
        architecture.equals("qwen3"),
        List.of());
  }

  private boolean has(String inLayer) {
    return gguf.tensors().containsKey("blk.0." + inLayer);
  }

  private AttentionShape attention(int hidden, GgufLayerSizes sizes) {
    int heads = sizes.heads();
    int kvHeads = sizes.kvHeads();
    if (heads % kvHeads != 0) {
      throw meta.fail(
          key("attention.head_count_kv"), "" + kvHeads, "must divide head_count = " + heads);
    }
    if (!meta.has(key("attention.key_length")) && hidden % heads != 0) {
      throw meta.fail(
          key("attention.head_count"),
          "" + heads,
          "must divide embedding_length = %d where key_length is not set".formatted(hidden));
    }
    int headDim = meta.integer(key("attention.key_length"), 2, 65536, hidden / heads);
    if (headDim % 2 != 0) {
      throw meta.fail("head dimension", "" + headDim, "must be even for rotary embeddings");
    }
    meta.integer(key("attention.value_length"), headDim, headDim, headDim);
    meta.integer(key("rope.dimension_count"), headDim, headDim, headDim);
    return new AttentionShape(heads, kvHeads, headDim);
  }

  private RopeConfig rope(int headDim) {
    double theta = meta.has(key("rope.freq_base")) ? positive(key("rope.freq_base")) : 10000.0;
    // In files of Llamas rows of q and k are permuted so that rotary pairs lie side by side.
    return new RopeConfig(theta, !architecture.startsWith("qwen"), scaling(headDim));
  }

  private RopeConfig.Scaling scaling(int headDim) {
    RopeConfig.Scaling byKey = scalingByKey();
    GgufTensor factors = gguf.tensors().get(ROPE_FACTORS);
    if (factors == null) {
      return byKey;
    }
    if (!(byKey instanceof RopeConfig.None)) {
      throw gguf.unsupported(
          "tensor " + ROPE_FACTORS, "(set)", "together with linear rope scaling");
    }
    return new RopeConfig.Factors(factors(factors, headDim / 2));
  }

  private RopeConfig.Scaling scalingByKey() {
    String type = meta.text(key("rope.scaling.type"), "none");
    if (type.equals("none")) {
      // llama.rope.scale_linear: the key of version 2 files, before scaling had a type.
      return meta.has(key("rope.scale_linear")) && positive(key("rope.scale_linear")) != 1
          ? new RopeConfig.Linear(positive(key("rope.scale_linear")))
          : new RopeConfig.None();
    }
    if (type.equals("linear")) {
      double factor = positive(key("rope.scaling.factor"));
      return factor == 1 ? new RopeConfig.None() : new RopeConfig.Linear(factor);
    }
    throw gguf.unsupported(
        key("rope.scaling.type"), type, "none, linear and llama3 (rope_freqs.weight) are run");
  }

  private float[] factors(GgufTensor tensor, int expected) {
    if (tensor.format() != QuantFormat.F32 || tensor.rows() != 1 || tensor.cols() != expected) {
      throw gguf.fail(
          "tensor " + ROPE_FACTORS,
          tensor.format().id() + " " + tensor.shape(),
          "expected f32 [1, %d], half the head dimension".formatted(expected));
    }
    ByteBuffer bytes = ByteBuffer.allocate(4 * expected).order(ByteOrder.LITTLE_ENDIAN);
    tensor.readRows(0, 1, bytes);
    float[] divisors = new float[expected];
    bytes.flip().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(divisors);
    for (float d : divisors) {
      if (!(d > 0) || Float.isInfinite(d)) {
        throw gguf.fail("tensor " + ROPE_FACTORS, "" + d, "divisors must be positive and finite");
      }
    }
    return divisors;
  }

  private double positive(String key) {
    double x = meta.number(key);
    if (!(x > 0) || Double.isInfinite(x)) {
      throw meta.fail(key, "" + x, "must be positive and finite");
    }
    return x;
  }
}
