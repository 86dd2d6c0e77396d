package io.sailfish.kernels;

/**
 * Where buffers outside the heap come from: plain memory, or memory that a device copies from and
 * to by itself. Thread-safe.
 */
public interface BufferSource {
  /**
   * Address of {@code bytes} &gt; 0 new bytes, aligned to at least 16, contents undefined.
   *
   * @return 0 when there are no more
   */
  long allocate(long bytes);

  /** Gives back what {@link #allocate} returned; {@code bytes} as asked for then. */
  void free(long address, long bytes);
}
