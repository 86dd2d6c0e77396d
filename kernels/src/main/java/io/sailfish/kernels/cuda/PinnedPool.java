package io.sailfish.kernels.cuda;

import io.sailfish.kernels.BufferSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Page-locked memory for many small buffers, kept for the next request of its size class: locking
 * pages takes longer than what the buffers are for. Up to a cap, at which what is idle makes room
 * for other sizes; where the host locks no pages it is plain memory ({@link CudaDevice#pinned}).
 */
final class PinnedPool implements BufferSource, AutoCloseable {
  /** Where the memory comes from. */
  interface Source {
    /** Lets the calling thread take and free memory. */
    void makeCurrent();

    PinnedMemory pinned(int bytes);
  }

  private final Source source;
  private final long maxBytes;
  private final Map<Long, PinnedMemory> live = new HashMap<>(); // by address
  private final Map<Long, Deque<PinnedMemory>> idle = new HashMap<>(); // by size class
  private long heldBytes;
  private long idleBytes;
  private boolean closed;

  PinnedPool(CudaDevice device, long maxBytes) {
    this(
        new Source() {
          @Override
          public void makeCurrent() {
            device.makeCurrent();
          }

          @Override
          public PinnedMemory pinned(int bytes) {
            return device.pinned(bytes, "buffers that a card copies from and to");
          }
        },
        maxBytes);
  }

  PinnedPool(Source source, long maxBytes) {
    this.source = source;
    this.maxBytes = maxBytes;
  }

  @Override
  public synchronized long allocate(long bytes) {
    if (closed) {
      return 0;
    }
    long held = CudaMemory.sizeClass(bytes);
    Deque<PinnedMemory> free = idle.get(held);
    PinnedMemory memory = free == null ? null : free.poll();
    if (memory == null) {
      if (held > Math.min(Integer.MAX_VALUE, maxBytes - heldBytes + idleBytes)) {
        return 0;
      }
      source.makeCurrent();
      makeRoom(held);
      memory = source.pinned((int) held);
      heldBytes += held;
    } else {
      idleBytes -= held;
    }
    live.put(memory.address(), memory);
    return memory.address();
  }

  /** Gives idle buffers of other sizes back to the host where they leave too little of the cap. */
  private void makeRoom(long wanted) {
    for (Map.Entry<Long, Deque<PinnedMemory>> entry : idle.entrySet()) {
      while (wanted > maxBytes - heldBytes && !entry.getValue().isEmpty()) {
        entry.getValue().poll().close();
        heldBytes -= entry.getKey();
        idleBytes -= entry.getKey();
      }
    }
  }

  @Override
  public synchronized void free(long address, long bytes) {
    PinnedMemory memory = live.remove(address);
    if (memory != null) { // else the pool was closed first
      long held = CudaMemory.sizeClass(bytes);
      idle.computeIfAbsent(held, size -> new ArrayDeque<>()).push(memory);
      idleBytes += held;
    }
  }

  /**
   * Frees everything, buffers in use as well: nothing is copied any more, and there are no more.
   */
  @Override
  public synchronized void close() {
    closed = true;
    live.values().forEach(PinnedMemory::close);
    live.clear();
    idle.values().forEach(free -> free.forEach(PinnedMemory::close));
    idle.clear();
  }
}
