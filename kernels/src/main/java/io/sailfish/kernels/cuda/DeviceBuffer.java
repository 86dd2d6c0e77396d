package io.sailfish.kernels.cuda;

/**
 * A run of device memory out of {@link CudaMemory}, aligned to 256 bytes. Closing gives it back to
 * the pool, at once and without waiting: the next owner's work is queued behind ours as long as
 * both use the same stream. Closing twice does nothing.
 */
public final class DeviceBuffer implements AutoCloseable {
  private final CudaMemory memory;
  private final String purpose;
  private final long address;
  private final long bytes;
  private final long heldBytes;
  private boolean closed;

  DeviceBuffer(CudaMemory memory, String purpose, long address, long bytes, long heldBytes) {
    this.memory = memory;
    this.purpose = purpose;
    this.address = address;
    this.bytes = bytes;
    this.heldBytes = heldBytes;
  }

  /** Device address. A closed buffer has none. */
  public long address() {
    if (closed) {
      throw new IllegalStateException("device buffer for " + purpose + " is closed");
    }
    return address;
  }

  public long bytes() {
    return bytes;
  }

  public String purpose() {
    return purpose;
  }

  /** Bytes taken from the driver: {@link #bytes()} rounded up to a size class. */
  long heldBytes() {
    return heldBytes;
  }

  long rawAddress() {
    return address;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      memory.giveBack(this);
    }
  }
}
