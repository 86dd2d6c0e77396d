package io.sailfish.kernels;

/** What some families of models need of {@link Ops} beyond a plain Llama. */
public enum ModelFeature {
  /** {@link Ops#addBias}. */
  BIASES("biases"),
  /** {@link Ops#headNorm}. */
  HEAD_NORMS("norms of its q and k heads"),
  /** {@link Ops#slidingAttention}. */
  SLIDING_WINDOWS("sliding windows");

  private final String description;

  ModelFeature(String description) {
    this.description = description;
  }

  /** For messages: a model has ... */
  public String description() {
    return description;
  }
}
