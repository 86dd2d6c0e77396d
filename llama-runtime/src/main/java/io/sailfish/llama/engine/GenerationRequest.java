package io.sailfish.llama.engine;

import java.util.List;

/**
 * One row's work for the engine.
 *
 * @param prompt token ids, at least one, at most the model's context
 * @param params how to go on from the prompt; ignored for scoring
 * @param continuations empty: generate text. Otherwise: return the log-probability of each of these
 *     token sequences after the prompt (prompt computed once) and generate nothing
 */
public record GenerationRequest(int[] prompt, SamplingParams params, List<int[]> continuations) {

  public static GenerationRequest generate(int[] prompt, SamplingParams params) {
    return new GenerationRequest(prompt, params, List.of());
  }

  public static GenerationRequest score(int[] prompt, List<int[]> continuations) {
    return new GenerationRequest(prompt, SamplingParams.greedy(1), List.copyOf(continuations));
  }
}
