package io.sailfish.llama.model;

/**
 * The layers whose matrices stay on the host and come to the device in every step: spread evenly,
 * so that the next one is on its way while others are computed.
 *
 * @param count how many
 * @param largest bytes of their largest matrix
 * @param places of the device that matrices take turns in
 */
public record StreamedLayers(int count, long largest, int places) {
  /** All matrices lie on the device. */
  public static final StreamedLayers NONE = new StreamedLayers(0, 0, 0);

  /** Whether a layer of {@code layers} is among them. */
  public boolean contains(int layer, int layers) {
    return (long) (layer + 1) * count / layers > (long) layer * count / layers;
  }
}
