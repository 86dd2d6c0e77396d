package io.sailfish.llama.model;

/**
 * Rotary embedding of the Llama family.
 *
 * @param theta base of the frequencies
 * @param interleaved pairs are (2i, 2i+1) in the checkpoint's q and k rows (GGUF llama files)
 *     instead of (i, i + headDim/2) (HF)
 * @param scaling how frequencies change past the original context; an unknown kind is an error
 *     where the checkpoint is read, never ignored
 */
public record RopeConfig(double theta, boolean interleaved, Scaling scaling) {

  /** Scaling of the frequencies. */
  public sealed interface Scaling permits None, Linear, Llama3, Factors {}

  public record None() implements Scaling {}

  /** All frequencies divided by {@code factor}. */
  public record Linear(double factor) implements Scaling {}

  /** Llama 3.1's piecewise scaling, as transformers' {@code rope_type: llama3} defines it. */
  public record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalContext)
      implements Scaling {}

  /**
   * Divisor of each of the headDim/2 frequencies, as GGUF files carry them in {@code
   * rope_freqs.weight}.
   */
  public record Factors(float[] divisors) implements Scaling {}
}
