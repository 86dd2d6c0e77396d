package io.sailfish.llama.engine;

import java.io.Serializable;

/**
 * What became of a request.
 *
 * @param text the answer, stop string and special tokens removed; empty for scoring
 * @param tokens ids of the answer, without the stop token
 * @param finish why it ended
 * @param logProbs scoring: natural-log probability of each continuation as a whole; else empty
 * @param promptTokens tokens of the prompt
 * @param reusedTokens prompt tokens whose keys and values were there already
 */
public record GenerationResult(
    String text, int[] tokens, Finish finish, double[] logProbs, int promptTokens, int reusedTokens)
    implements Serializable {
  /** For an equal request that caused no work of its own. */
  GenerationResult shared() {
    return new GenerationResult(text, tokens, finish, logProbs, promptTokens, promptTokens);
  }

  /** Why a row ended. */
  public enum Finish {
    /** A stop token or stop string. */
    STOP,
    /** max_tokens or the end of the context. */
    LENGTH,
    /** Continuations were scored. */
    SCORED
  }
}
