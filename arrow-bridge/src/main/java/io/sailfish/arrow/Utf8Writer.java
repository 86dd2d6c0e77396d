package io.sailfish.arrow;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.util.MemoryUtil;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;

/**
 * Writes a {@link Utf8Column} row by row with one copy: from a native address or an array straight
 * into the Arrow buffers. Closing it before {@link #finish} gives everything back. Not thread-safe.
 */
public final class Utf8Writer implements AutoCloseable {
  /** Arrow's 32-bit offsets end here. */
  private static final long MAX_COLUMN_BYTES = Integer.MAX_VALUE;

  private static final byte[] REPLACEMENT = "\uFFFD".getBytes(StandardCharsets.UTF_8);

  private final BufferAllocator allocator;
  private final GrowingBuffer validity;
  private final GrowingBuffer offsets;
  private final GrowingBuffer data;
  private int rows;
  private int nulls;
  private long bytes;
  private boolean closed;

  Utf8Writer(BufferAllocator allocator, int expectedRows, long expectedBytes) {
    this.allocator = allocator;
    long roomyRows = Math.max(8, expectedRows);
    GrowingBuffer bits = new GrowingBuffer(allocator, (roomyRows + 7) / 8);
    GrowingBuffer ends = null;
    try {
      ends = new GrowingBuffer(allocator, 4 * (roomyRows + 1));
      data = new GrowingBuffer(allocator, Math.max(64, expectedBytes));
    } catch (RuntimeException e) {
      bits.close();
      if (ends != null) {
        ends.close();
      }
      throw e;
    }
    validity = bits;
    offsets = ends;
    MemoryUtil.putInt(offsets.address(), 0);
  }

  public int rows() {
    return rows;
  }

  /** Bytes of text written so far. */
  public long bytes() {
    return bytes;
  }

  /**
   * Adds a row of {@code numBytes} and returns the native address to copy its UTF-8 bytes to,
   * before the next call to this writer.
   *
   * @throws IllegalArgumentException when the column would pass 2 GiB; it stays as it was
   */
  public long reserve(int numBytes) {
    if (numBytes < 0) {
      throw new IllegalArgumentException("a row of " + numBytes + " bytes");
    }
    long end = bytes + numBytes;
    if (end > MAX_COLUMN_BYTES) {
      throw new IllegalArgumentException(
          "a column of text holds at most %,d bytes; %d rows have %,d and the next adds %,d: use fewer rows a batch"
              .formatted(MAX_COLUMN_BYTES, rows, bytes, numBytes));
    }
    data.ensure(end, bytes);
    long address = data.address() + bytes;
    addRow(end, true);
    return address;
  }

  public void writeNull() {
    addRow(bytes, false);
    nulls++;
  }

  public void write(byte[] utf8, int offset, int length) {
    MemoryUtil.copyToMemory(utf8, offset, reserve(length), length);
  }

  /** Null becomes a null row, a lone surrogate U+FFFD. */
  public void write(String text) {
    if (text == null) {
      writeNull();
      return;
    }
    ByteBuffer utf8 = encode(text);
    write(utf8.array(), utf8.arrayOffset() + utf8.position(), utf8.remaining());
  }

  /** The column, which now owns the buffers; this writer is done. */
  public Utf8Column finish() {
    ArrowBuf bits = validity.buffer().slice(0, (rows + 7L) / 8);
    ArrowBuf ends = offsets.buffer().slice(0, 4 * (rows + 1L));
    ArrowBuf text = data.buffer().slice(0, bytes);
    bits.writerIndex(bits.capacity());
    ends.writerIndex(ends.capacity());
    text.writerIndex(text.capacity());
    VarCharVector vector = new VarCharVector("text", allocator);
    vector.loadFieldBuffers(new ArrowFieldNode(rows, nulls), List.of(bits, ends, text));
    close();
    return new Utf8Column(vector);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      validity.close();
      offsets.close();
      data.close();
    }
  }

  private void addRow(long end, boolean valid) {
    if (closed) {
      throw new IllegalStateException("this writer is finished or closed");
    }
    offsets.ensure(4 * (rows + 2L), 4 * (rows + 1L));
    validity.ensure(rows / 8 + 1L, (rows + 7L) / 8);
    MemoryUtil.putInt(offsets.address() + 4 * (rows + 1L), (int) end);
    long bitByte = validity.address() + rows / 8;
    int before = rows % 8 == 0 ? 0 : MemoryUtil.getByte(bitByte);
    MemoryUtil.putByte(bitByte, (byte) (valid ? before | 1 << rows % 8 : before));
    bytes = end;
    rows++;
  }

  private static ByteBuffer encode(String text) {
    try {
      return StandardCharsets.UTF_8
          .newEncoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .replaceWith(REPLACEMENT)
          .encode(CharBuffer.wrap(text));
    } catch (CharacterCodingException e) {
      throw new AssertionError("malformed input is replaced", e);
    }
  }
}
