package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Backend.ReadBack;
import io.sailfish.kernels.BufferSource;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;

/**
 * Values on their way between host and card: through a ring of page-locked memory, which only reads
 * wait for, or from and to page-locked buffers of the caller's. One thread.
 */
final class HostCopies implements AutoCloseable {
  /** Page-locked memory for {@link #buffers}: three steps of 256 rows of 128 k tokens. */
  private static final long BUFFER_BYTES = 256L << 20;

  private final Staging staging;
  private final PinnedPool buffers;
  private final ReadBacks readBacks;

  HostCopies(CudaDevice device) {
    staging = new Staging(device);
    buffers = new PinnedPool(device, BUFFER_BYTES);
    readBacks = new ReadBacks(device);
  }

  Staging staging() {
    return staging;
  }

  /** Page-locked memory, for any thread. */
  BufferSource buffers() {
    return buffers;
  }

  /** Values of a tiled tensor stay here until an operator reads them. */
  void write(CudaStream stream, Tensor dst, long offset, float[] src, int srcOffset, int count) {
    CudaTensor tensor = (CudaTensor) dst;
    range("write", offset, count, (long) dst.rows() * dst.cols());
    if (tensor.exact) {
      long to = tensor.address() + offset * Float.BYTES;
      staging.upload(stream, src, srcOffset, count, to);
      return;
    }
    tensor.write(present(stream, tensor), offset, src, srcOffset, count);
  }

  void write(CudaStream stream, IntTensor dst, int[] src, int count) {
    range("write", 0, count, dst.length());
    staging.upload(stream, src, count, ((CudaInts) dst).address());
  }

  void read(CudaStream stream, Tensor src, long offset, float[] dst, int dstOffset, int count) {
    CudaTensor tensor = (CudaTensor) src;
    range("read", offset, count, (long) src.rows() * src.cols());
    if (tensor.exact) {
      staging.download(stream, tensor.address() + offset * Float.BYTES, dst, dstOffset, count);
      return;
    }
    float[] values = present(stream, tensor);
    System.arraycopy(values, Math.toIntExact(offset), dst, dstOffset, count);
  }

  void read(CudaStream stream, IntTensor src, int[] dst, int count) {
    range("read", 0, count, src.length());
    staging.download(stream, ((CudaInts) src).address(), dst, count);
  }

  /** All values of a tiled tensor, row-major. */
  private float[] present(CudaStream stream, CudaTensor tensor) {
    if (tensor.pending() != null) {
      return tensor.pending();
    }
    long bytes = CudaTensor.bytes(tensor.rows(), tensor.cols(), false);
    short[] halves = new short[Math.toIntExact(bytes / Short.BYTES)];
    staging.download(stream, tensor.address(), halves);
    return tensor.untile(halves);
  }

  ReadBack readBack(CudaStream stream, IntTensor src, int count, long address) {
    range("readBack", 0, count, src.length());
    long uploads = staging.mark();
    return readBacks.queue(
        stream,
        ((CudaInts) src).address(),
        address,
        (long) count * Integer.BYTES,
        () -> staging.release(uploads));
  }

  private static void range(String op, long offset, int count, long length) {
    Arguments.inRange(op, "offset", 0, length, offset);
    Arguments.inRange(op, "count", 0, length - offset, count);
  }

  @Override
  public void close() {
    staging.close();
    readBacks.close();
    buffers.close();
  }
}
