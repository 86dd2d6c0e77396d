package io.sailfish.llama.checkpoint;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The one table of tensor names: ours, GGUF's and HuggingFace's (both without layer numbers). */
final class TensorNames {
  /** One row of the table; in layers {@code #} stands for the number. */
  private record Row(String ours, String gguf, String hf) {}

  private static final Row[] TABLE = {
    new Row("embedding", "token_embd.weight", "model.embed_tokens.weight"),
    new Row("output_norm", "output_norm.weight", "model.norm.weight"),
    new Row("output", "output.weight", "lm_head.weight"),
    layer("attention_norm", "attn_norm", "input_layernorm"),
    layer("q", "attn_q", "self_attn.q_proj"),
    layer("k", "attn_k", "self_attn.k_proj"),
    layer("v", "attn_v", "self_attn.v_proj"),
    layer("o", "attn_output", "self_attn.o_proj"),
    bias("q", "attn_q", "self_attn.q_proj"),
    bias("k", "attn_k", "self_attn.k_proj"),
    bias("v", "attn_v", "self_attn.v_proj"),
    bias("o", "attn_output", "self_attn.o_proj"),
    layer("q_norm", "attn_q_norm", "self_attn.q_norm"),
    layer("k_norm", "attn_k_norm", "self_attn.k_norm"),
    layer("ffn_norm", "ffn_norm", "post_attention_layernorm"),
    layer("gate", "ffn_gate", "mlp.gate_proj"),
    layer("up", "ffn_up", "mlp.up_proj"),
    layer("down", "ffn_down", "mlp.down_proj"),
  };

  private static final Pattern NUMBER = Pattern.compile("(?<=\\.)(0|[1-9][0-9]{0,5})(?=\\.)");
  private static final Map<String, String> FROM_GGUF =
      Stream.of(TABLE).collect(Collectors.toMap(Row::gguf, Row::ours));
  private static final Map<String, String> TO_HF =
      Stream.of(TABLE).collect(Collectors.toMap(Row::ours, Row::hf));

  private TensorNames() {}

  private static Row layer(String ours, String gguf, String hf) {
    return new Row(
        "layers.#." + ours, "blk.#." + gguf + ".weight", "model.layers.#." + hf + ".weight");
  }

  private static Row bias(String ours, String gguf, String hf) {
    return new Row(
        "layers.#." + ours + "_bias", "blk.#." + gguf + ".bias", "model.layers.#." + hf + ".bias");
  }

  /** Our name of a tensor of a GGUF llama file, or null when it has none. */
  static String fromGguf(String name) {
    return translate(FROM_GGUF, name);
  }

  /** The HuggingFace name of a tensor of ours. */
  static String toHf(String ours) {
    return translate(TO_HF, ours);
  }

  private static String translate(Map<String, String> table, String name) {
    Matcher number = NUMBER.matcher(name);
    if (!number.find()) {
      return name.indexOf('#') < 0 ? table.get(name) : null;
    }
    String other = table.get(number.replaceFirst("#"));
    return other == null ? null : other.replace("#", number.group());
  }
}
