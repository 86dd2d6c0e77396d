package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.model.ModelConfig;
import java.util.Collection;
import java.util.Optional;

/**
 * An opened model: hyper-parameters, tensors by our names, tokenizer, chat template. Closed by its
 * opener, once the weights have been packed.
 *
 * <p>Tensor names: {@code embedding}, {@code output} (absent with tied embeddings), {@code
 * output_norm}, and for layer i {@code layers.i.} + {@code attention_norm, q, k, v, o, ffn_norm,
 * gate, up, down}; where the family has them also {@code q_bias, k_bias, v_bias, o_bias, q_norm,
 * k_norm}.
 */
public interface Checkpoint extends AutoCloseable {
  ModelConfig config();

  /** Null when the checkpoint has no such tensor. */
  WeightSource tensor(String name);

  /** Weights in the layout in which a card keeps them; null where the model has none so. */
  default PackedSource packed(FusedWeights weights) {
    return null;
  }

  /** Names of all tensors that the model consists of, in the order of the computation. */
  default Collection<String> tensorNames() {
    return TensorShapes.of(config()).keySet();
  }

  /** The whole text of a HuggingFace tokenizer.json, the model's own or one made from metadata. */
  String tokenizerJson();

  TokenizerConfig tokenizerConfig();

  /** The chat template's source, if the model has one. */
  Optional<String> chatTemplate();

  /** Short description for EXPLAIN and logs, such as {@code SmolLM2 135M, gguf q4_1+q8_0}. */
  String describe();

  @Override
  void close();
}
