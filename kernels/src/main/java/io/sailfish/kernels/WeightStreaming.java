package io.sailfish.kernels;

import io.sailfish.kernels.format.packed.PackedForm;
import java.util.List;

/**
 * Weights that have no room on the device: they stay in memory of the host and come to the device
 * whenever a step uses them, through a few places that take turns, so that weights are on their way
 * while others are multiplied. The same bits as weights that lie there.
 */
public interface WeightStreaming {
  /**
   * Bytes that a weight of these parts takes, on the device or on the host. Reads the scales of
   * formats whose packing depends on them.
   */
  long bytes(List<WeightSource> parts);

  /** Bytes of an embedding table or output head, which stays on the device. */
  long vocabularyBytes(int rows, int cols);

  /** Bytes of a weight that a file holds as the device takes it. */
  long bytes(PackedForm form);

  /** Bytes of the device that this process may still take, were it alone there. */
  long deviceBytes();

  /** Bytes of the host that weights may take. */
  long hostBytes();

  /** Bytes of the device that so many places for weights on their way take. */
  long placesBytes(long largestBytes, int places);

  /**
   * Packs weights that are streamed, in the order in which a step uses them, each of them once.
   *
   * @param largestBytes of one weight
   * @param places that weights take turns in; two at least, four for a layer ahead
   */
  WeightPacker packer(long largestBytes, int places);

  /** Bytes that come to the device in a step; 0 when all weights lie there. */
  long streamedBytes();

  /** How fast they come, measured the first time this is asked. */
  double bytesPerSecond();

  /** Time of a step that streaming alone takes. */
  default long stepNanos() {
    return streamedBytes() == 0 ? 0 : (long) (streamedBytes() / bytesPerSecond() * 1e9);
  }
}
