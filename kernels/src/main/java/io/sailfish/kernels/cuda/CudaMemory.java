package io.sailfish.kernels.cuda;

import io.sailfish.kernels.DeviceMemoryException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Pooled device memory. A freed buffer is kept for the next request of its size class, because the
 * driver's own allocation stalls the card; what is kept is handed back to the driver before a
 * request is refused. Safe for several threads.
 */
public final class CudaMemory implements AutoCloseable {
  private static final long SMALLEST_CLASS = 512;
  private static final long LARGEST_STEP = 16 << 20;

  private final DeviceAllocator allocator;
  private final TreeMap<Long, Deque<Long>> idle = new TreeMap<>();
  private final Set<DeviceBuffer> live = new HashSet<>();
  private long limitBytes = Long.MAX_VALUE;
  private long liveBytes;
  private long idleBytes;
  private long peakBytes;

  CudaMemory(DeviceAllocator allocator) {
    this.allocator = allocator;
  }

  /**
   * Takes {@code bytes} of device memory, contents undefined.
   *
   * @param purpose names the buffer in messages
   * @throws DeviceMemoryException when there is not enough, with the numbers
   */
  public synchronized DeviceBuffer allocate(long bytes, String purpose) {
    if (bytes <= 0) {
      throw new IllegalArgumentException(
          "device memory for %s: %d bytes requested".formatted(purpose, bytes));
    }
    long held = sizeClass(bytes);
    long address = reuse(held);
    if (address == DeviceAllocator.NONE) {
      address = fresh(held);
    }
    if (address == DeviceAllocator.NONE) {
      trim();
      address = fresh(held);
    }
    if (address == DeviceAllocator.NONE) {
      throw new DeviceMemoryException(purpose, bytes, freeBytes());
    }
    liveBytes += held;
    peakBytes = Math.max(peakBytes, liveBytes + idleBytes);
    DeviceBuffer buffer = new DeviceBuffer(this, purpose, address, bytes, held);
    live.add(buffer);
    return buffer;
  }

  /** A scope that gives back all it allocated unless {@link MemoryScope#keep} is called. */
  public MemoryScope scope() {
    return new MemoryScope(this);
  }

  /** Hands idle memory back to the driver. */
  public synchronized void trim() {
    for (Map.Entry<Long, Deque<Long>> entry : idle.entrySet()) {
      for (long address : entry.getValue()) {
        allocator.free(address);
        idleBytes -= entry.getKey();
      }
    }
    idle.clear();
  }

  /**
   * Never takes more than this from the driver, live and idle together; a request beyond it is
   * refused as if the card were full. Tests inject exhaustion with it.
   */
  public synchronized void limitTo(long bytes) {
    limitBytes = bytes;
  }

  /** Bytes that further requests may take. */
  public synchronized long freeBytes() {
    long underLimit = Math.max(0, limitBytes - liveBytes);
    return Math.min(underLimit, allocator.freeBytes() + idleBytes);
  }

  /** Bytes that this process may still take if nobody else holds memory of the card. */
  synchronized long grantedBytes() {
    return Math.max(0, limitBytes - liveBytes);
  }

  /** Bytes in use, size classes counted in full. */
  public synchronized long liveBytes() {
    return liveBytes;
  }

  /** The most that was ever taken from the driver. */
  public synchronized long peakBytes() {
    return peakBytes;
  }

  /** Purposes of what is still in use, for leak messages. */
  public synchronized List<String> livePurposes() {
    return live.stream().map(DeviceBuffer::purpose).sorted().toList();
  }

  synchronized void giveBack(DeviceBuffer buffer) {
    if (!live.remove(buffer)) {
      return; // the pool was closed first and has freed it
    }
    liveBytes -= buffer.heldBytes();
    idleBytes += buffer.heldBytes();
    idle.computeIfAbsent(buffer.heldBytes(), size -> new ArrayDeque<>()).push(buffer.rawAddress());
  }

  /** Frees everything, buffers in use as well. */
  @Override
  public synchronized void close() {
    for (DeviceBuffer buffer : new ArrayList<>(live)) {
      giveBack(buffer);
    }
    trim();
  }

  private long reuse(long held) {
    Deque<Long> addresses = idle.get(held);
    if (addresses == null) {
      return DeviceAllocator.NONE;
    }
    long address = addresses.pop();
    if (addresses.isEmpty()) {
      idle.remove(held);
    }
    idleBytes -= held;
    return address;
  }

  private long fresh(long held) {
    return held > limitBytes - liveBytes - idleBytes
        ? DeviceAllocator.NONE
        : allocator.allocate(held);
  }

  /**
   * Rounds up to an eighth of the next lower power of two: at most 12.5 % is lost to rounding, and
   * little of what is large, like a KV cache that takes all there is.
   */
  static long sizeClass(long bytes) {
    if (bytes <= SMALLEST_CLASS) {
      return SMALLEST_CLASS;
    }
    long step = Math.max(SMALLEST_CLASS, Long.highestOneBit(bytes - 1) >> 3);
    step = Math.min(step, LARGEST_STEP);
    return (bytes + step - 1) / step * step;
  }
}
