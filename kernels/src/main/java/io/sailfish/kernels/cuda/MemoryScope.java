package io.sailfish.kernels.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * Several allocations that succeed or fail together: closing gives all of them back unless {@link
 * #keep} was called.
 */
public final class MemoryScope implements AutoCloseable {
  private final CudaMemory memory;
  private final List<DeviceBuffer> buffers = new ArrayList<>();

  MemoryScope(CudaMemory memory) {
    this.memory = memory;
  }

  public DeviceBuffer allocate(long bytes, String purpose) {
    DeviceBuffer buffer = memory.allocate(bytes, purpose);
    buffers.add(buffer);
    return buffer;
  }

  /** Leaves the buffers to their new owner. */
  public void keep() {
    buffers.clear();
  }

  @Override
  public void close() {
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
  }
}
