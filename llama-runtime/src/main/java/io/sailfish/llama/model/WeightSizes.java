package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.llama.checkpoint.Checkpoint;
import java.util.Arrays;
import java.util.Optional;

/**
 * Bytes that a model's matrices take on a device.
 *
 * @param vocabulary embedding table and output head
 * @param layers all matrices of each layer
 * @param largest of the layers' matrices
 */
public record WeightSizes(long vocabulary, long[] layers, long largest) {
  /** Reads the scales of formats whose packing depends on them. */
  public static WeightSizes of(Checkpoint checkpoint, Backend backend) {
    return new WeightLoader(checkpoint, backend).sizes();
  }

  /** Bytes of everything. */
  public long total() {
    return vocabulary + Arrays.stream(layers).sum();
  }

  /** Bytes that stay on the host. */
  public long streamed(StreamedLayers streamed) {
    long sum = 0;
    for (int i = 0; i < layers.length; i++) {
      sum += streamed.contains(i, layers.length) ? layers[i] : 0;
    }
    return sum;
  }

  /**
   * The fewest layers that have to be streamed.
   *
   * @param room bytes of the device for weights
   * @param places that matrices take turns in
   * @param placesBytes bytes of the device that these take
   * @return empty where streaming all of them does not help
   */
  public Optional<StreamedLayers> fitting(long room, int places, long placesBytes) {
    if (total() <= room) {
      return Optional.of(StreamedLayers.NONE);
    }
    for (int count = 1; count <= layers.length; count++) {
      StreamedLayers streamed = new StreamedLayers(count, largest, places);
      if (total() - streamed(streamed) + placesBytes <= room) {
        return Optional.of(streamed);
      }
    }
    return Optional.empty();
  }
}
