package io.sailfish.arrow;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;

/**
 * 32-bit integers in one Arrow buffer, as Arrow's Int32 column lays them out: token ids on their
 * way to a device or back, which the device copies from here or to here. Owns the buffer. One
 * thread.
 */
public final class IntBlock implements AutoCloseable {
  private final BufferAllocator allocator;
  private ArrowBuf buffer;

  /** An empty one. */
  public IntBlock(BufferAllocator allocator) {
    this.allocator = allocator;
    this.buffer = allocator.getEmpty();
  }

  /** Makes room for {@code count} integers; those that are there are lost when there was less. */
  public void ensure(int count) {
    long bytes = (long) count * Integer.BYTES;
    if (bytes > buffer.capacity()) {
      buffer.close();
      buffer = allocator.getEmpty();
      buffer = allocator.buffer(bytes);
    }
  }

  /** Integers that there is room for. */
  public long capacity() {
    return buffer.capacity() / Integer.BYTES;
  }

  /** The buffer checks the index. */
  public int get(int index) {
    return buffer.getInt((long) index * Integer.BYTES);
  }

  /** The buffer checks the index. */
  public void set(int index, int value) {
    buffer.setInt((long) index * Integer.BYTES, value);
  }

  /** Address of {@code count} integers from {@code first} on. */
  public long address(int first, int count) {
    if (first < 0 || count < 0 || (long) first + count > capacity()) {
      throw new IndexOutOfBoundsException(
          "%d integers from %d on, of %d".formatted(count, first, capacity()));
    }
    return buffer.memoryAddress() + (long) first * Integer.BYTES;
  }

  @Override
  public void close() {
    buffer.close();
    buffer = allocator.getEmpty();
  }
}
