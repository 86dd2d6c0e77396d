package io.sailfish.kernels;

/**
 * Device memory is exhausted. Not an {@link OutOfMemoryError}: the JVM is well, and the caller can
 * shrink its batch and try again. Nothing that the failed request had taken is still held.
 */
public final class DeviceMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final long requestedBytes;
  private final long freeBytes;

  public DeviceMemoryException(String purpose, long requestedBytes, long freeBytes) {
    super(
        "device memory for %s: %,d bytes requested, %,d bytes free"
            .formatted(purpose, requestedBytes, freeBytes));
    this.requestedBytes = requestedBytes;
    this.freeBytes = freeBytes;
  }

  /** The driver had no memory for work of its own: a recording, device code, a stream. */
  public DeviceMemoryException(String call) {
    super("device memory: the driver has none left for " + call);
    this.requestedBytes = 0;
    this.freeBytes = 0;
  }

  /** 0 where only the driver knows. */
  public long requestedBytes() {
    return requestedBytes;
  }

  public long freeBytes() {
    return freeBytes;
  }
}
