package io.sailfish.arrow;

import io.sailfish.kernels.BufferSource;
import org.apache.arrow.memory.util.MemoryUtil;

/** The C heap. */
final class PlainMemory implements BufferSource {
  @Override
  public long allocate(long bytes) {
    try {
      return MemoryUtil.allocateMemory(bytes);
    } catch (OutOfMemoryError e) {
      // Unsafe's way to say that malloc failed; the Java heap is fine, so the JVM goes on.
      return 0;
    }
  }

  @Override
  public void free(long address, long bytes) {
    MemoryUtil.freeMemory(address);
  }
}
