package io.sailfish.kernels.cpu;

/** A stretch of a panel's inputs; moved, not made anew, as {@link PanelMath.Block}. */
final class PanelPiece {
  PanelLayout layout;
  int[] words;

  /** The panel's first word. */
  int at;

  /** First input, at a multiple of the format's blocks. */
  int from;

  /** Inputs, whole blocks. */
  int inner;

  PanelPiece on(PanelLayout layout, int[] words, int at) {
    this.layout = layout;
    this.words = words;
    this.at = at;
    return this;
  }

  PanelPiece move(int from, int inner) {
    this.from = from;
    this.inner = inner;
    return this;
  }
}
