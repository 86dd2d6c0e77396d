package io.sailfish.kernels;

/**
 * How a layer's q, k and v become attention, in this order: a bias is added, the heads of q and k
 * are normed and rotated, and each row looks at the keys of its window.
 *
 * @param cosSin angles, see {@link Ops#rope}
 * @param interleaved which values are a pair, see {@link Ops#rope}
 * @param bias {@code [1, qkvCols]}; null where there is none
 * @param qNorm {@code [1, headDim]}, see {@link Ops#headNorm}; null, like {@code kNorm}, where
 *     heads are not normed
 * @param kNorm see {@code qNorm}
 * @param normEps of the two norms
 * @param window keys that a row sees, its own the last; 0 = all
 */
public record LayerAttention(
    Tensor cosSin,
    boolean interleaved,
    Tensor bias,
    Tensor qNorm,
    Tensor kNorm,
    float normEps,
    int window) {
  public LayerAttention {
    if (window < 0) {
      throw new KernelException("attention", "window", "0 or more keys", window);
    }
    if ((qNorm == null) != (kNorm == null)) {
      throw new KernelException("attention", "norms", "both or none", "that of one of q and k");
    }
  }

  /** Rotation and nothing else, as a plain Llama has it. */
  public static LayerAttention plain(Tensor cosSin, boolean interleaved) {
    return new LayerAttention(cosSin, interleaved, null, null, null, 0, 0);
  }

  public boolean isPlain() {
    return bias == null && qNorm == null && window == 0;
  }
}
