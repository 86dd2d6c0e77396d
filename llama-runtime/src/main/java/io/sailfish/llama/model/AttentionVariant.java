package io.sailfish.llama.model;

import java.util.List;

/**
 * In what a family's attention differs from a plain Llama's.
 *
 * @param qkvBias q, k and v have biases (Qwen2)
 * @param outputBias the output projection has one
 * @param headNorms each head of q and of k is normed before the rotary embedding (Qwen3)
 * @param windows keys that a row of each layer sees, its own the last; 0 = all; empty = all in
 *     every layer
 */
public record AttentionVariant(
    boolean qkvBias, boolean outputBias, boolean headNorms, List<Integer> windows) {
  /** Llama's own. */
  public static final AttentionVariant PLAIN = new AttentionVariant(false, false, false, List.of());

  public AttentionVariant {
    windows = List.copyOf(windows);
  }

  /** Keys that a row of a layer sees, or 0 for all. */
  public int window(int layer) {
    return windows.isEmpty() ? 0 : windows.get(layer);
  }
}
