package io.sailfish.arrow;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.util.MemoryUtil;

/**
 * One Arrow buffer that doubles when it is full. Its address changes when it grows. Owns its buffer
 * until {@link #close()}.
 */
final class GrowingBuffer implements AutoCloseable {
  private final BufferAllocator allocator;
  private ArrowBuf buffer;

  GrowingBuffer(BufferAllocator allocator, long initialBytes) {
    this.allocator = allocator;
    this.buffer = allocator.buffer(initialBytes);
  }

  /** Makes room for {@code bytes} in all; the first {@code keepBytes} stay. */
  void ensure(long bytes, long keepBytes) {
    if (bytes <= buffer.capacity()) {
      return;
    }
    ArrowBuf larger = allocator.buffer(Math.max(bytes, 2 * buffer.capacity()));
    MemoryUtil.copyMemory(buffer.memoryAddress(), larger.memoryAddress(), keepBytes);
    buffer.close();
    buffer = larger;
  }

  ArrowBuf buffer() {
    return buffer;
  }

  long address() {
    return buffer.memoryAddress();
  }

  @Override
  public void close() {
    buffer.close();
  }
}
