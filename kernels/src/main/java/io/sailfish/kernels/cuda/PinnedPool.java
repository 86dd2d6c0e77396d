package io.sailfish.kernels.cuda;

import io.sailfish.kernels.BufferSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Page-locked memory for many small buffers, kept for the next request of its size class: locking
 * pages takes longer than what the buffers are for. Up to a cap; where the host locks no pages it
 * is plain memory ({@link CudaDevice#pinned}).
 */
final class PinnedPool implements BufferSource, AutoCloseable {
  private final CudaDevice device;
  private final long maxBytes;
  private final Map<Long, PinnedMemory> live = new HashMap<>(); // by address
  private final Map<Long, Deque<PinnedMemory>> idle = new HashMap<>(); // by size class
  private long heldBytes;

  PinnedPool(CudaDevice device, long maxBytes) {
    this.device = device;
    this.maxBytes = maxBytes;
  }

  @Override
  public synchronized long allocate(long bytes) {
    long held = CudaMemory.sizeClass(bytes);
    Deque<PinnedMemory> free = idle.get(held);
    PinnedMemory memory = free == null ? null : free.poll();
    if (memory == null) {
      if (held > Math.min(Integer.MAX_VALUE, maxBytes - heldBytes)) {
        return 0;
      }
      device.makeCurrent();
      memory = device.pinned((int) held, "buffers that a card copies from and to");
      heldBytes += held;
    }
    live.put(memory.address(), memory);
    return memory.address();
  }

  @Override
  public synchronized void free(long address, long bytes) {
    PinnedMemory memory = live.remove(address);
    if (memory != null) { // else the pool was closed first
      idle.computeIfAbsent(CudaMemory.sizeClass(bytes), size -> new ArrayDeque<>()).push(memory);
    }
  }

  /** Frees everything, buffers in use as well: nothing is copied any more. */
  @Override
  public synchronized void close() {
    live.values().forEach(PinnedMemory::close);
    live.clear();
    idle.values().forEach(free -> free.forEach(PinnedMemory::close));
    idle.clear();
  }
}
