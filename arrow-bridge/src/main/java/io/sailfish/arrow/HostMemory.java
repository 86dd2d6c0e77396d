package io.sailfish.arrow;

import org.apache.arrow.memory.util.MemoryUtil;

/**
 * Where {@link ArrowMemory} takes its bytes from: plain off-heap memory, or page-locked memory when
 * there is a card. Thread-safe.
 */
public interface HostMemory {
  /**
   * Address of {@code bytes} &gt; 0 new bytes, aligned to at least 16, contents undefined.
   *
   * @return 0 when the host has no more
   */
  long allocate(long bytes);

  /** Gives back what {@link #allocate} returned; {@code bytes} as asked for then. */
  void free(long address, long bytes);

  /** The C heap. */
  static HostMemory plain() {
    return new HostMemory() {
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
    };
  }
}
