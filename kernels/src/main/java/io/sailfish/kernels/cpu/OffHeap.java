package io.sailfish.kernels.cpu;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Direct memory, with an error that says what to change. Freed when its last view is collected. */
final class OffHeap {
  /** 32-bit words in one buffer at most: 1 GiB, far enough from the 2 GiB that an int indexes. */
  static final int MAX_WORDS = 1 << 28;

  private OffHeap() {}

  /** Zeroed little-endian memory. */
  static ByteBuffer allocate(long bytes, String purpose) {
    if (bytes <= 0 || bytes > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "%s: a direct buffer holds 1 to 2^31 - 1 bytes, not %d".formatted(purpose, bytes));
    }
    try {
      return ByteBuffer.allocateDirect((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
    } catch (OutOfMemoryError e) {
      throw new IllegalStateException(
          ("%s: no %d bytes of direct memory left (%d free of the JVM's limit of %d); raise"
                  + " -XX:MaxDirectMemorySize, which is the heap's size by default")
              .formatted(purpose, bytes, HostMemory.freeDirectBytes(), HostMemory.directLimit()),
          e);
    }
  }
}
