package io.sailfish.llama.checkpoint;

import java.util.Set;

/**
 * Texts of control tokens that end a turn or a text, whatever the file's eos is; the list that
 * llama.cpp keeps for the same reason (llama-vocab.cpp, special_eog_ids).
 */
final class EndTokens {
  static final Set<String> TEXTS =
      Set.of(
          "<|im_end|>",
          "<|eot_id|>",
          "<|eom_id|>",
          "<|end|>",
          "<end_of_turn>",
          "<|endoftext|>",
          "<|end_of_text|>",
          "<|end_of_turn|>",
          "<|EOT|>",
          "<EOT>",
          "</s>");

  private EndTokens() {}
}
