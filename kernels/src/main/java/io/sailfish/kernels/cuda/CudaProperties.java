package io.sailfish.kernels.cuda;

/**
 * What kernels and people want to know of a card.
 *
 * @param name as the driver spells it
 * @param computeCapability major * 10 + minor: 80, 86, 89, 90, 100
 * @param multiprocessors number of SMs
 * @param totalBytes device memory
 * @param bytesPerSecond nominal speed of that memory: clock times width, both edges
 */
public record CudaProperties(
    String name,
    int computeCapability,
    int multiprocessors,
    long totalBytes,
    double bytesPerSecond) {

  /** One line for people. */
  public String describe() {
    return "%s, sm_%d, %d SMs, %.1f GiB"
        .formatted(name, computeCapability, multiprocessors, totalBytes / (double) (1L << 30));
  }
}
