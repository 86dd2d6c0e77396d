package io.sailfish.arrow;

import io.sailfish.kernels.BufferSource;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.memory.AllocationListener;
import org.apache.arrow.memory.AllocationManager;
import org.apache.arrow.memory.AllocationOutcome;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ReferenceManager;
import org.apache.arrow.memory.RootAllocator;

/**
 * Off-heap memory for rows in flight: one Arrow allocator with a cap, statistics and an
 * exchangeable source of bytes. Thread-safe. A request past the cap gets an {@link
 * ArrowMemoryException}, never an {@link OutOfMemoryError}, on which Spark would kill the executor.
 */
public final class ArrowMemory implements AutoCloseable {
  private final BufferSource source;
  private final RootAllocator root;
  private final AtomicLong refusals = new AtomicLong();

  /**
   * Numbers for metrics and messages.
   *
   * @param bytesInUse bytes held by live buffers
   * @param peakBytes most of them so far
   * @param maxBytes the cap
   * @param refusals requests that did not fit
   */
  public record Statistics(long bytesInUse, long peakBytes, long maxBytes, long refusals) {}

  /** Plain off-heap memory, at most {@code maxBytes} of it. */
  public ArrowMemory(long maxBytes) {
    this(maxBytes, new PlainMemory());
  }

  public ArrowMemory(long maxBytes, BufferSource source) {
    if (maxBytes <= 0) {
      throw new IllegalArgumentException(
          ArrowMemoryException.CAP_KEY + " must be positive, got " + maxBytes);
    }
    this.source = source;
    this.root =
        new RootAllocator(
            RootAllocator.configBuilder()
                .maxAllocation(maxBytes)
                .allocationManagerFactory(new Factory())
                .listener(new RefuseWithNumbers())
                .build());
  }

  /** The allocator; closed by {@link #close()}. */
  public BufferAllocator allocator() {
    return root;
  }

  public Statistics statistics() {
    return new Statistics(
        root.getAllocatedMemory(), root.getPeakMemoryAllocation(), root.getLimit(), refusals.get());
  }

  /**
   * Ends the allocator.
   *
   * @throws IllegalStateException when buffers of it are still held: somebody did not close them
   */
  @Override
  public void close() {
    root.close();
  }

  private ArrowMemoryException refuse(long bytes, String reason) {
    refusals.incrementAndGet();
    return new ArrowMemoryException(bytes, root.getAllocatedMemory(), root.getLimit(), reason);
  }

  /** Turns Arrow's refusal at the cap into ours. */
  private final class RefuseWithNumbers implements AllocationListener {
    @Override
    public boolean onFailedAllocation(long size, AllocationOutcome outcome) {
      throw refuse(size, "the cap is reached");
    }
  }

  private final class Factory implements AllocationManager.Factory {
    @Override
    public AllocationManager create(BufferAllocator accountant, long size) {
      long address = source.allocate(size);
      if (address == 0) {
        throw refuse(size, "the host has no memory left");
      }
      return new Chunk(accountant, address, size);
    }

    @Override
    public ArrowBuf empty() {
      return new ArrowBuf(ReferenceManager.NO_OP, null, 0, 0);
    }
  }

  /** One buffer's memory; Arrow releases it when the last reference goes. */
  private final class Chunk extends AllocationManager {
    private final long address;
    private final long size;

    Chunk(BufferAllocator accountant, long address, long size) {
      super(accountant);
      this.address = address;
      this.size = size;
    }

    @Override
    public long getSize() {
      return size;
    }

    @Override
    protected long memoryAddress() {
      return address;
    }

    @Override
    protected void release0() {
      source.free(address, size);
    }
  }
}
