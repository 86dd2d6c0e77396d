package io.sailfish.arrow;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.util.MemoryUtil;
import org.apache.arrow.vector.VarCharVector;

/**
 * A column of nullable UTF-8 strings in off-heap Arrow memory: validity bits, int32 offsets, bytes.
 * Owns its vector; closing it gives the buffers back. Not changed after it was made, so several
 * threads may read it.
 */
public final class Utf8Column implements AutoCloseable {
  private final VarCharVector vector;
  private final AtomicLong copiedRows = new AtomicLong();

  /** Takes over {@code vector}, whose value count is set. */
  public Utf8Column(VarCharVector vector) {
    this.vector = vector;
  }

  /** Starts a column; {@code expectedRows} and {@code expectedBytes} only save growing. */
  public static Utf8Writer writer(BufferAllocator allocator, int expectedRows, long expectedBytes) {
    return new Utf8Writer(allocator, expectedRows, expectedBytes);
  }

  public int rows() {
    return vector.getValueCount();
  }

  public boolean isNull(int row) {
    return vector.isNull(row);
  }

  /** Bytes of the row's text; 0 for null rows. */
  public int byteLength(int row) {
    return vector.getValueLength(row);
  }

  /** A copy of the row's bytes. Not for null rows. */
  public byte[] bytes(int row) {
    if (isNull(row)) {
      throw new IllegalStateException("row " + row + " is null");
    }
    copiedRows.incrementAndGet();
    byte[] bytes = new byte[byteLength(row)];
    MemoryUtil.copyFromMemory(
        vector.getDataBuffer().memoryAddress() + vector.getStartOffset(row),
        bytes,
        0,
        bytes.length);
    return bytes;
  }

  /** The row's text; invalid UTF-8 becomes U+FFFD. Not for null rows. */
  public String text(int row) {
    return new String(bytes(row), StandardCharsets.UTF_8);
  }

  /** Rows that were copied to the heap so far. */
  public long copiedRows() {
    return copiedRows.get();
  }

  /** The vector itself, for zero-copy readers; still owned by this column. */
  public VarCharVector vector() {
    return vector;
  }

  @Override
  public void close() {
    vector.close();
  }
}
