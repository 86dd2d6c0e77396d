package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.AttentionVariant;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * {@link ModelConfig} out of the metadata of a GGUF file of architecture llama (keys: ggml's
 * docs/gguf.md). What would change the arithmetic and is not known here is an error.
 */
final class GgufModelConfig {
  private static final String ROPE_FACTORS = "rope_freqs.weight";
  private static final int MAX_WIDTH = 1 << 20;

  private static final Set<String> KNOWN =
      Set.of(
          "llama.attention.head_count",
          "llama.attention.head_count_kv",
          "llama.attention.key_length",
          "llama.attention.value_length",
          "llama.attention.layer_norm_rms_epsilon",
          "llama.rope.dimension_count",
          "llama.rope.freq_base",
          "llama.rope.scaling.type",
          "llama.rope.scaling.factor",
          "llama.rope.scaling.original_context_length",
          "llama.rope.scaling.finetuned",
          "llama.rope.scale_linear",
          "llama.expert_count",
          "llama.expert_used_count");

  /** Keys that change the arithmetic in architectures derived from Llama. */
  private static final Pattern ARITHMETIC =
      Pattern.compile(
          "llama\\.(attention\\..*|rope\\..*|.*(scale|softcap|capping|expert|window|residual).*)");

  private final GgufReader gguf;
  private final GgufMetadata meta;

  private GgufModelConfig(GgufReader gguf) {
    this.gguf = gguf;
    this.meta = gguf.metadata();
  }

  static ModelConfig read(GgufReader gguf) {
    return new GgufModelConfig(gguf).read();
  }

  /** Tensors that are read as configuration and not as weights. */
  static boolean isConfiguration(String ggufName) {
    return ggufName.equals(ROPE_FACTORS);
  }

  private ModelConfig read() {
    refuseUnsupported();
    int hidden = meta.integer("llama.embedding_length", 1, MAX_WIDTH);
    AttentionShape attention = attention(hidden);
    GgufTensor embedding = gguf.tensors().get("token_embd.weight");
    if (embedding == null) {
      throw gguf.fail("tensor token_embd.weight", "(none)", "the model needs it");
    }
    int vocabulary = embedding.rows();
    meta.integer("llama.vocab_size", vocabulary, vocabulary, vocabulary);
    return new ModelConfig(
        meta.text("general.name", "Llama"),
        meta.integer("llama.block_count", 1, 4096),
        hidden,
        meta.integer("llama.feed_forward_length", 1, 1 << 24),
        attention,
        AttentionVariant.PLAIN,
        vocabulary,
        meta.integer("llama.context_length", 1, 1 << 30),
        (float) positive("llama.attention.layer_norm_rms_epsilon"),
        rope(attention.headDim()),
        !gguf.tensors().containsKey("output.weight"));
  }

  private void refuseUnsupported() {
    String architecture = meta.text("general.architecture");
    if (!architecture.equals("llama")) {
      throw unsupported("general.architecture", architecture, "the architecture llama is run");
    }
    int splits = meta.integer("split.count", 0, 65535, 1);
    if (splits > 1) {
      throw unsupported(
          "split.count", "" + splits, "one file is read; join them with llama-gguf-split --merge");
    }
    if (meta.integer("llama.expert_count", 0, 1 << 20, 0) > 0) {
      throw unsupported("llama.expert_count", "> 0", "mixtures of experts are not run");
    }
    for (String key : meta.keys()) {
      if (!KNOWN.contains(key) && ARITHMETIC.matcher(key).matches()) {
        throw unsupported(key, "(set)", "it changes the arithmetic and is not implemented");
      }
    }
  }

  private AttentionShape attention(int hidden) {
    int heads = meta.integer("llama.attention.head_count", 1, 65536);
    int kvHeads = meta.integer("llama.attention.head_count_kv", 1, heads, heads);
    if (heads % kvHeads != 0) {
      throw meta.fail(
          "llama.attention.head_count_kv", "" + kvHeads, "must divide head_count = " + heads);
    }
    if (!meta.has("llama.attention.key_length") && hidden % heads != 0) {
      throw meta.fail(
          "llama.attention.head_count",
          "" + heads,
          "must divide embedding_length = %d where key_length is not set".formatted(hidden));
    }
    int headDim = meta.integer("llama.attention.key_length", 2, 65536, hidden / heads);
    if (headDim % 2 != 0) {
      throw meta.fail("head dimension", "" + headDim, "must be even for rotary embeddings");
    }
    meta.integer("llama.attention.value_length", headDim, headDim, headDim);
    meta.integer("llama.rope.dimension_count", headDim, headDim, headDim);
    return new AttentionShape(heads, kvHeads, headDim);
  }

  private RopeConfig rope(int headDim) {
    double theta = meta.has("llama.rope.freq_base") ? positive("llama.rope.freq_base") : 10000.0;
    // Rows of q and k are permuted by the converter so that rotary pairs lie side by side.
    return new RopeConfig(theta, true, scaling(headDim));
  }

  private RopeConfig.Scaling scaling(int headDim) {
    RopeConfig.Scaling byKey = scalingByKey();
    GgufTensor factors = gguf.tensors().get(ROPE_FACTORS);
    if (factors == null) {
      return byKey;
    }
    if (!(byKey instanceof RopeConfig.None)) {
      throw unsupported("tensor " + ROPE_FACTORS, "(set)", "together with linear rope scaling");
    }
    return new RopeConfig.Factors(factors(factors, headDim / 2));
  }

  private RopeConfig.Scaling scalingByKey() {
    String type = meta.text("llama.rope.scaling.type", "none");
    if (type.equals("none")) {
      // llama.rope.scale_linear: the key of version 2 files, before scaling had a type.
      return meta.has("llama.rope.scale_linear") && positive("llama.rope.scale_linear") != 1
          ? new RopeConfig.Linear(positive("llama.rope.scale_linear"))
          : new RopeConfig.None();
    }
    if (type.equals("linear")) {
      double factor = positive("llama.rope.scaling.factor");
      return factor == 1 ? new RopeConfig.None() : new RopeConfig.Linear(factor);
    }
    throw unsupported(
        "llama.rope.scaling.type", type, "none, linear and llama3 (rope_freqs.weight) are run");
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

  private RuntimeFailure unsupported(String what, String value, String support) {
    return new RuntimeFailure(
        Kind.USER, "%s: %s = %s: %s".formatted(gguf.path(), what, value, support), null);
  }
}
