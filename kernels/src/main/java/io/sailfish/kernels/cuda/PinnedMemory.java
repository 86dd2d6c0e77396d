package io.sailfish.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * Page-locked host memory: copies to and from the card run at full speed and beside other work.
 * Where the host locks no pages it may be plain memory, with which the same calls copy at once and
 * slower. Closing frees it; the buffer must not be touched afterwards.
 */
public final class PinnedMemory implements AutoCloseable {
  private final DeviceFaults faults;

  /** Null for plain memory, which the collector frees. */
  private final Pointer locked;

  private final ByteBuffer buffer;
  private boolean closed;

  private PinnedMemory(DeviceFaults faults, Pointer locked, ByteBuffer buffer) {
    this.faults = faults;
    this.locked = locked;
    this.buffer = buffer.order(ByteOrder.nativeOrder());
  }

  /** Page-locked memory; null when the host refuses. */
  static PinnedMemory lock(DeviceFaults faults, int bytes, String purpose) {
    check(bytes, purpose);
    faults.checkAlive();
    Pointer pointer = new Pointer();
    int code = JCudaDriver.cuMemHostAlloc(pointer, bytes, JCudaDriver.CU_MEMHOSTALLOC_PORTABLE);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return null;
    }
    faults.check(code, "cuMemHostAlloc(%s, %d)".formatted(purpose, bytes));
    return new PinnedMemory(faults, pointer, pointer.getByteBuffer(0, bytes));
  }

  /** Memory whose pages are not locked. */
  static PinnedMemory plain(DeviceFaults faults, int bytes, String purpose) {
    check(bytes, purpose);
    return new PinnedMemory(faults, null, ByteBuffer.allocateDirect(bytes));
  }

  private static void check(int bytes, String purpose) {
    if (bytes <= 0) {
      throw new IllegalArgumentException(
          "page-locked memory for %s: %d bytes requested".formatted(purpose, bytes));
    }
  }

  boolean isLocked() {
    return locked != null;
  }

  /** The whole memory, native byte order, position 0. */
  public ByteBuffer buffer() {
    if (closed) {
      throw new IllegalStateException("page-locked memory is closed");
    }
    return buffer;
  }

  long address() {
    return HostAddress.addressOf(buffer());
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      if (locked != null && !faults.lost()) {
        faults.check(JCudaDriver.cuMemFreeHost(locked), "cuMemFreeHost");
      }
    }
  }
}
