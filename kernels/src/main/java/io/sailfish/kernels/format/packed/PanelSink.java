package io.sailfish.kernels.format.packed;

/** Takes packed panels, from several threads at once and in any order. */
@FunctionalInterface
public interface PanelSink {
  /**
   * @param panel number of the panel
   * @param offset where its bytes begin in the packed matrix
   * @param bytes the panel; reused after this returns
   */
  void accept(int panel, long offset, byte[] bytes);
}
