package io.sailfish.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A page-locked ring of host memory through which small things go to the card and come back.
 * Uploads take place one after the other in it and are not waited for; when it is full, the stream
 * is. One thread.
 */
final class Staging implements AutoCloseable {
  private static final int BYTES = 8 << 20;

  private final PinnedMemory memory;

  /** Bytes handed out since the beginning, and those of them that may be handed out again. */
  private long head;

  private long free;

  Staging(CudaDevice device) {
    memory = device.pinned(BYTES, "step inputs and results");
  }

  void upload(CudaStream stream, int[] src, int count, long dstAddress) {
    for (int done = 0; done < count; ) {
      int size = Math.min(count - done, BYTES / Integer.BYTES);
      ByteBuffer place = place(stream, size * Integer.BYTES);
      place.asIntBuffer().put(src, done, size);
      stream.upload(place, dstAddress + (long) done * Integer.BYTES);
      done += size;
    }
  }

  void upload(CudaStream stream, float[] src, int offset, int count, long dstAddress) {
    for (int done = 0; done < count; ) {
      int size = Math.min(count - done, BYTES / Float.BYTES);
      ByteBuffer place = place(stream, size * Float.BYTES);
      place.asFloatBuffer().put(src, offset + done, size);
      stream.upload(place, dstAddress + (long) done * Float.BYTES);
      done += size;
    }
  }

  void upload(CudaStream stream, short[] src, long dstAddress) {
    for (int done = 0; done < src.length; ) {
      int size = Math.min(src.length - done, BYTES / Short.BYTES);
      ByteBuffer place = place(stream, size * Short.BYTES);
      place.asShortBuffer().put(src, done, size);
      stream.upload(place, dstAddress + (long) done * Short.BYTES);
      done += size;
    }
  }

  /** Waits for the stream and everything queued on it. */
  void download(CudaStream stream, long srcAddress, float[] dst, int offset, int count) {
    for (int done = 0; done < count; ) {
      int size = Math.min(count - done, BYTES / Float.BYTES);
      fetch(stream, srcAddress + (long) done * Float.BYTES, size * Float.BYTES)
          .asFloatBuffer()
          .get(dst, offset + done, size);
      done += size;
    }
  }

  void download(CudaStream stream, long srcAddress, int[] dst, int count) {
    for (int done = 0; done < count; ) {
      int size = Math.min(count - done, BYTES / Integer.BYTES);
      fetch(stream, srcAddress + (long) done * Integer.BYTES, size * Integer.BYTES)
          .asIntBuffer()
          .get(dst, done, size);
      done += size;
    }
  }

  void download(CudaStream stream, long srcAddress, short[] dst) {
    for (int done = 0; done < dst.length; ) {
      int size = Math.min(dst.length - done, BYTES / Short.BYTES);
      fetch(stream, srcAddress + (long) done * Short.BYTES, size * Short.BYTES)
          .asShortBuffer()
          .get(dst, done, size);
      done += size;
    }
  }

  private ByteBuffer fetch(CudaStream stream, long srcAddress, int bytes) {
    ByteBuffer place = place(stream, bytes);
    stream.download(srcAddress, place);
    stream.synchronize();
    free = head;
    return place;
  }

  /** How much has been handed out so far, for {@link #release}. */
  long mark() {
    return head;
  }

  /** Says that all uploads up to a mark have arrived. */
  void release(long mark) {
    free = Math.max(free, mark);
  }

  private ByteBuffer place(CudaStream stream, int bytes) {
    int at = (int) (head % BYTES);
    if (at + bytes > BYTES) { // no run is broken at the end
      head += BYTES - at;
      at = 0;
    }
    if (head + bytes - free > BYTES) {
      stream.synchronize();
      free = head;
    }
    head += (bytes + 63) / 64 * 64;
    return memory.buffer().slice(at, bytes).order(ByteOrder.nativeOrder());
  }

  @Override
  public void close() {
    memory.close();
  }
}
