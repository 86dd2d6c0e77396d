package io.sailfish.kernels;

import io.sailfish.kernels.format.TwoByteFloat;
import java.io.Serializable;

/**
 * Which backend is wanted.
 *
 * @param id {@code auto}, {@code cpu} or {@code cuda}
 * @param threads threads of a backend that computes on the host, 0 = all processors the JVM sees
 * @param card address of the card: its number among those that the process sees, {@code GPU-...} or
 *     {@code MIG-...} as nvidia-smi writes them; null = the first
 * @param memoryFraction share of a card's memory that this process may take, above 0 up to 1
 * @param activations type of activations, keys and values on a card
 */
public record BackendRequest(
    String id, int threads, String card, double memoryFraction, TwoByteFloat activations)
    implements Serializable {
  /** What is left to the driver, to other programs and to fragmentation by default. */
  public static final double MEMORY_FRACTION = 0.9;

  public BackendRequest {
    if (!(memoryFraction > 0 && memoryFraction <= 1)) {
      throw new IllegalArgumentException(
          "share of a card's memory: %s is not above 0 and up to 1".formatted(memoryFraction));
    }
  }

  /** Any card, most of its memory, and fp16, which is the more exact type where it suffices. */
  public static BackendRequest of(String id, int threads) {
    return new BackendRequest(id, threads, null, MEMORY_FRACTION, TwoByteFloat.F16);
  }
}
