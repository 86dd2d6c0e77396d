package io.sailfish.llama.checkpoint;

import java.util.Set;

/**
 * What the model says about its special tokens.
 *
 * @param bosId id put before a sequence, or -1
 * @param addBos whether a plain sequence starts with it; a rendered chat template that already
 *     starts with the token's text never gets a second one
 * @param stopIds ids that end generation: eos, end of turn and the like; never empty
 * @param bosText text of the bos token for the chat template, or empty
 * @param eosText text of the eos token for the chat template, or empty
 */
public record TokenizerConfig(
    int bosId, boolean addBos, Set<Integer> stopIds, String bosText, String eosText) {
  public TokenizerConfig {
    stopIds = Set.copyOf(stopIds);
  }
}
