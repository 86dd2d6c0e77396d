package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenChoice;
import java.io.Serializable;
import java.util.List;

/**
 * How tokens are chosen. Defaults are greedy.
 *
 * @param maxTokens most tokens to generate, &gt; 0
 * @param temperature 0 = greedy
 * @param topK 0 = off
 * @param topP 1 = off; in (0, 1]
 * @param minP 0 = off; in [0, 1)
 * @param repetitionPenalty 1 = off; &gt; 0; over prompt and answer, as HF defines it
 * @param seed with the prompt's tokens and the position the only source of randomness
 * @param stop strings that end the answer; not part of it
 */
public record SamplingParams(
    int maxTokens,
    float temperature,
    int topK,
    float topP,
    float minP,
    float repetitionPenalty,
    long seed,
    List<String> stop)
    implements Serializable {

  public SamplingParams {
    check(maxTokens > 0, "max_tokens", maxTokens, "must be positive");
    check(
        temperature >= 0 && temperature <= 100, "temperature", temperature, "must be in [0, 100]");
    check(topK >= 0, "top_k", topK, "must be 0 (off) or positive");
    check(topP > 0 && topP <= 1, "top_p", topP, "must be in (0, 1]");
    check(minP >= 0 && minP < 1, "min_p", minP, "must be in [0, 1)");
    check(
        repetitionPenalty > 0 && repetitionPenalty <= 100,
        "repetition_penalty",
        repetitionPenalty,
        "must be in (0, 100]");
    for (String s : stop) {
      check(s != null && !s.isEmpty(), "stop", s, "strings must not be empty");
    }
    stop = List.copyOf(stop);
  }

  public static SamplingParams greedy(int maxTokens) {
    return new SamplingParams(maxTokens, 0f, 0, 1f, 0f, 1f, 0L, List.of());
  }

  /** The same for a row of a device, whose draws depend on the prompt's tokens too. */
  TokenChoice choice(int[] prompt) {
    return TokenChoice.of(temperature, topK, topP, minP, repetitionPenalty, seed, hash(prompt));
  }

  /** 64-bit FNV-1a over whole ids. */
  private static long hash(int[] tokens) {
    long hash = 0xCBF29CE484222325L;
    for (int token : tokens) {
      hash = (hash ^ token) * 0x100000001B3L;
    }
    return hash;
  }

  private static void check(boolean ok, String parameter, Object value, String rule) {
    if (!ok) {
      throw new IllegalArgumentException(parameter + " " + rule + ", got " + value);
    }
  }
}
