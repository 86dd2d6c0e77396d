package io.sailfish.arrow;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.util.MemoryUtil;

/**
 * Token ids of a batch of rows in off-heap Arrow memory: int32 offsets {@code [rows + 1]} and int32
 * ids {@code [offsets[rows]]}, as Arrow's list of int32 lays them out, so that a device can copy
 * them as they are. Owns both buffers. Not changed after it was made.
 */
public final class TokenBatch implements AutoCloseable {
  private final GrowingBuffer offsets;
  private final GrowingBuffer ids;
  private final int rows;

  private TokenBatch(GrowingBuffer offsets, GrowingBuffer ids, int rows) {
    this.offsets = offsets;
    this.ids = ids;
    this.rows = rows;
  }

  public static Writer writer(BufferAllocator allocator, int expectedRows, long expectedTokens) {
    return new Writer(allocator, expectedRows, expectedTokens);
  }

  public int rows() {
    return rows;
  }

  /** Tokens of all rows. */
  public long tokens() {
    return offset(rows);
  }

  /** Tokens of a row. */
  public int length(int row) {
    return offset(checked(row) + 1) - offset(row);
  }

  /** A copy of a row's ids. */
  public int[] row(int row) {
    int[] copy = new int[length(row)];
    long from = ids.address() + 4L * offset(row);
    for (int i = 0; i < copy.length; i++) {
      copy[i] = MemoryUtil.getInt(from + 4L * i);
    }
    return copy;
  }

  /** The offsets, {@code 4 * (rows + 1)} bytes; still owned by this batch. */
  public ArrowBuf offsetBuffer() {
    return offsets.buffer();
  }

  /** The ids, {@code 4 * tokens} bytes; still owned by this batch. */
  public ArrowBuf idBuffer() {
    return ids.buffer();
  }

  @Override
  public void close() {
    offsets.close();
    ids.close();
  }

  private int checked(int row) {
    if (row < 0 || row >= rows) {
      throw new IndexOutOfBoundsException("row " + row + " of " + rows);
    }
    return row;
  }

  private int offset(int row) {
    return MemoryUtil.getInt(offsets.address() + 4L * row);
  }

  /** Adds rows; closing it before {@link #finish} gives everything back. Not thread-safe. */
  public static final class Writer implements AutoCloseable {
    private final GrowingBuffer offsets;
    private final GrowingBuffer ids;
    private int rows;
    private long tokens;
    private boolean closed;

    private Writer(BufferAllocator allocator, int expectedRows, long expectedTokens) {
      GrowingBuffer ends = new GrowingBuffer(allocator, 4 * (Math.max(8, expectedRows) + 1L));
      try {
        ids = new GrowingBuffer(allocator, 4 * Math.max(16, expectedTokens));
      } catch (RuntimeException e) {
        ends.close();
        throw e;
      }
      offsets = ends;
      MemoryUtil.putInt(offsets.address(), 0);
    }

    /** Adds a row, empty or not. */
    public void add(int[] row) {
      if (closed) {
        throw new IllegalStateException("this writer is finished or closed");
      }
      long end = tokens + row.length;
      if (end > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "a batch holds at most %,d tokens; %d rows have %,d and the next adds %,d: use fewer rows a batch"
                .formatted(Integer.MAX_VALUE, rows, tokens, row.length));
      }
      ids.ensure(4 * end, 4 * tokens);
      offsets.ensure(4 * (rows + 2L), 4 * (rows + 1L));
      for (int i = 0; i < row.length; i++) {
        MemoryUtil.putInt(ids.address() + 4 * (tokens + i), row[i]);
      }
      MemoryUtil.putInt(offsets.address() + 4 * (rows + 1L), (int) end);
      tokens = end;
      rows++;
    }

    /** The batch, which now owns the buffers; this writer is done. */
    public TokenBatch finish() {
      if (closed) {
        throw new IllegalStateException("this writer is finished or closed");
      }
      closed = true;
      return new TokenBatch(offsets, ids, rows);
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        offsets.close();
        ids.close();
      }
    }
  }
}
