package io.sailfish.kernels.cuda;

import java.nio.ByteBuffer;
import jcuda.driver.CUDA_MEMCPY2D;
import jcuda.driver.CUgraph;
import jcuda.driver.CUmemorytype;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A queue of work on one card. Nothing here waits but {@link #synchronize}. Belongs to one thread
 * at a time, on which the device must be current ({@link CudaDevice#makeCurrent}).
 */
public final class CudaStream implements AutoCloseable {
  /** No kernel that takes turns was queued last. */
  private static final int NO_TURN = -1;

  /** Lets its native handle be read, which JCuda keeps protected. */
  private static final class Handle extends CUstream {
    long value() {
      return getNativePointer();
    }
  }

  private final CudaDevice device;
  private final DeviceFaults faults;
  private final Handle handle = new Handle();
  private final LaunchBlock launchBlock = new LaunchBlock();
  private boolean capturing;
  private int turn = NO_TURN;

  /**
   * Whether the next kernel waits for an event, and so cannot start before what it follows ends.
   */
  private boolean awaiting;

  private long copiesIn;
  private long bytesIn;
  private long copiesOut;
  private long bytesOut;

  /** Copies between host and card that were queued so far. */
  public record Copies(long in, long inBytes, long out, long outBytes) {
    public Copies since(Copies earlier) {
      return new Copies(
          in - earlier.in,
          inBytes - earlier.inBytes,
          out - earlier.out,
          outBytes - earlier.outBytes);
    }
  }

  CudaStream(CudaDevice device, DeviceFaults faults) {
    this.device = device;
    this.faults = faults;
    faults.checkAlive();
    faults.check(
        JCudaDriver.cuStreamCreate(handle, CUstream_flags.CU_STREAM_NON_BLOCKING),
        "cuStreamCreate");
  }

  public CudaDevice device() {
    return device;
  }

  public Copies copies() {
    return new Copies(copiesIn, bytesIn, copiesOut, bytesOut);
  }

  CUstream handle() {
    return handle;
  }

  /**
   * 0 and 1 by turns along kernels that share a multiprocessor with their neighbours' blocks, 0
   * behind any other: there two blocks of turn 1 would find room on one multiprocessor.
   */
  int nextTurn() {
    return turn == 0 ? 1 : 0;
  }

  /** Says that the kernel queued last was such a one. */
  void tookTurn(int taken) {
    turn = taken;
  }

  /**
   * Queues a kernel. For twins, which have checked the arguments' meaning; number and types are
   * checked against the description here.
   *
   * @param arguments Long for pointers and 64-bit numbers, Integer, Float, in the entry's order
   */
  void launch(KernelSpec spec, LaunchGeometry geometry, Object... arguments) {
    faults.checkAlive();
    spec.check(arguments);
    CudaFunction function = device.modules().function(spec);
    LaunchGeometry used = awaiting ? geometry.apart() : geometry;
    function.prepare(used);
    launchBlock.fill(used, handle.value(), arguments);
    turn = NO_TURN;
    awaiting = false;
    faults.launching(describe(spec, geometry, arguments));
    faults.check(
        CudaDriver.launch(launchBlock.config(), function.value(), launchBlock.pointers()),
        "launch of " + spec);
    if (device.syncLaunches() && !capturing) {
      synchronize();
    }
  }

  private static String describe(KernelSpec spec, LaunchGeometry geometry, Object[] arguments) {
    StringBuilder text = new StringBuilder(spec.entry());
    text.append('[').append(geometry.gridX()).append('x').append(geometry.threads()).append("](");
    for (int i = 0; i < arguments.length; i++) {
      if (spec.parameters().get(i).type() != KernelSpec.Type.POINTER) {
        text.append(spec.parameters().get(i).name()).append('=').append(arguments[i]).append(' ');
      }
    }
    return text.toString().trim() + ")";
  }

  /** Queues a copy of the buffer's remaining bytes; it must stay as it is until they are there. */
  public void upload(ByteBuffer src, long dstAddress) {
    copyIn(HostAddress.of(src), dstAddress, src.remaining());
  }

  /** Queues a copy from an off-heap address, as Arrow buffers have them. */
  public void upload(long srcAddress, long dstAddress, long bytes) {
    copyIn(new HostAddress(srcAddress), dstAddress, bytes);
  }

  private void copyIn(HostAddress src, long dstAddress, long bytes) {
    faults.checkAlive();
    copiesIn++;
    bytesIn += bytes;
    faults.check(
        JCudaDriver.cuMemcpyHtoDAsync(new DeviceAddress(dstAddress), src, bytes, handle),
        "cuMemcpyHtoDAsync(%d bytes)".formatted(bytes));
  }

  /**
   * Queues a copy of {@code rows} runs of {@code bytes} bytes each, which lie one behind the other
   * at the source and {@code dstPitch} bytes apart at the destination.
   */
  public void upload(long srcAddress, long dstAddress, long dstPitch, long bytes, int rows) {
    faults.checkAlive();
    copiesIn++;
    bytesIn += rows * bytes;
    CUDA_MEMCPY2D copy = new CUDA_MEMCPY2D();
    copy.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_HOST;
    copy.srcHost = new HostAddress(srcAddress);
    copy.srcPitch = bytes;
    copy.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
    copy.dstDevice = new DeviceAddress(dstAddress);
    copy.dstPitch = dstPitch;
    copy.WidthInBytes = bytes;
    copy.Height = rows;
    faults.check(
        JCudaDriver.cuMemcpy2DAsync(copy, handle),
        "cuMemcpy2DAsync(%d x %d bytes)".formatted(rows, bytes));
  }

  /** Queues a copy to an off-heap address, as Arrow buffers have them. */
  public void download(long srcAddress, long dstAddress, long bytes) {
    copyOut(srcAddress, new HostAddress(dstAddress), bytes);
  }

  /** Queues a copy that fills the buffer's remaining bytes. */
  public void download(long srcAddress, ByteBuffer dst) {
    copyOut(srcAddress, HostAddress.of(dst), dst.remaining());
  }

  private void copyOut(long srcAddress, HostAddress dst, long bytes) {
    faults.checkAlive();
    copiesOut++;
    bytesOut += bytes;
    faults.check(
        JCudaDriver.cuMemcpyDtoHAsync(dst, new DeviceAddress(srcAddress), bytes, handle),
        "cuMemcpyDtoHAsync(%d bytes)".formatted(bytes));
  }

  /** Queues a copy within the card. */
  public void copy(long srcAddress, long dstAddress, long bytes) {
    faults.checkAlive();
    faults.check(
        JCudaDriver.cuMemcpyDtoDAsync(
            new DeviceAddress(dstAddress), new DeviceAddress(srcAddress), bytes, handle),
        "cuMemcpyDtoDAsync(%d bytes)".formatted(bytes));
  }

  /** Queues setting every byte. */
  public void fill(long address, int value, long bytes) {
    faults.checkAlive();
    faults.check(
        JCudaDriver.cuMemsetD8Async(new DeviceAddress(address), (byte) value, bytes, handle),
        "cuMemsetD8Async(%d bytes)".formatted(bytes));
  }

  public void record(CudaEvent event) {
    faults.checkAlive();
    faults.check(JCudaDriver.cuEventRecord(event.handle(), handle), "cuEventRecord");
  }

  /** Later work of this stream waits for the event. */
  public void await(CudaEvent event) {
    faults.checkAlive();
    faults.check(JCudaDriver.cuStreamWaitEvent(handle, event.handle(), 0), "cuStreamWaitEvent");
    turn = NO_TURN;
    awaiting = true;
  }

  /** Records what {@code work} queues on this stream instead of running it. */
  public CudaGraph capture(String purpose, Runnable work) {
    faults.checkAlive();
    faults.check(
        JCudaDriver.cuStreamBeginCapture(
            handle, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "cuStreamBeginCapture(" + purpose + ")");
    capturing = true;
    CUgraph graph = new CUgraph();
    int code;
    try {
      work.run();
    } finally {
      capturing = false;
      code = JCudaDriver.cuStreamEndCapture(handle, graph);
    }
    faults.check(code, "cuStreamEndCapture(" + purpose + ")");
    return new CudaGraph(faults, purpose, graph);
  }

  /** Waits for everything queued so far. */
  public void synchronize() {
    faults.checkAlive();
    faults.check(JCudaDriver.cuStreamSynchronize(handle), "cuStreamSynchronize");
  }

  @Override
  public void close() {
    if (!faults.lost()) {
      faults.check(JCudaDriver.cuStreamDestroy(handle), "cuStreamDestroy");
    }
  }
}
