package io.sailfish.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * Page-locked host memory: copies to and from the card run at full speed and beside other work.
 * Closing frees it; the buffer must not be touched afterwards.
 */
public final class PinnedMemory implements AutoCloseable {
  private final DeviceFaults faults;
  private final Pointer pointer = new Pointer();
  private final ByteBuffer buffer;
  private boolean closed;

  PinnedMemory(DeviceFaults faults, int bytes, String purpose) {
    if (bytes <= 0) {
      throw new IllegalArgumentException(
          "page-locked memory for %s: %d bytes requested".formatted(purpose, bytes));
    }
    this.faults = faults;
    int code = JCudaDriver.cuMemHostAlloc(pointer, bytes, JCudaDriver.CU_MEMHOSTALLOC_PORTABLE);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new CudaException(
          "page-locked memory for %s: the host refused %,d bytes (ulimit -l?)"
              .formatted(purpose, bytes));
    }
    faults.check(code, "cuMemHostAlloc(%s, %d)".formatted(purpose, bytes));
    buffer = pointer.getByteBuffer(0, bytes).order(ByteOrder.nativeOrder());
  }

  /** The whole memory, native byte order, position 0. */
  public ByteBuffer buffer() {
    if (closed) {
      throw new IllegalStateException("page-locked memory is closed");
    }
    return buffer;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      if (!faults.lost()) {
        faults.check(JCudaDriver.cuMemFreeHost(pointer), "cuMemFreeHost");
      }
    }
  }
}
