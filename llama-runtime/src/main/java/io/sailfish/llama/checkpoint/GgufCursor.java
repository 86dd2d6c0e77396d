package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads little-endian values of a file front to back through a small buffer. Each read is checked
 * against the end of the file first; nothing is allocated for a length before it is known to fit.
 */
final class GgufCursor {
  private static final int MAX_SHOWN = 120;

  private static final int BUFFER = 1 << 16;
  private static final int MIN_BUFFER = 8;

  private final FileBytes file;
  private final ByteBuffer buffer;
  private long bufferStart;

  /**
   * @param span bytes that will be read, about: no larger a buffer is taken
   */
  GgufCursor(FileBytes file, long position, long span) {
    int bytes = (int) Math.max(MIN_BUFFER, Math.min(BUFFER, span));
    this.file = file;
    this.buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN).limit(0);
    this.bufferStart = position;
  }

  long position() {
    return bufferStart + buffer.position();
  }

  long remaining() {
    return file.size() - position();
  }

  int u8(String what) {
    need(1, what);
    return buffer.get() & 0xff;
  }

  int i16(String what) {
    need(2, what);
    return buffer.getShort();
  }

  int i32(String what) {
    need(4, what);
    return buffer.getInt();
  }

  long u32(String what) {
    return Integer.toUnsignedLong(i32(what));
  }

  long i64(String what) {
    need(8, what);
    return buffer.getLong();
  }

  /** An unsigned 64-bit number that must not be larger than {@code max}. */
  long count(String what, long max) {
    long n = i64(what);
    if (n < 0 || n > max) {
      throw fail(what, Long.toUnsignedString(n), "the rest of the file has room for " + max);
    }
    return n;
  }

  /** Length of a string, at most {@code max} bytes and within the file. */
  int length(String what, int max) {
    long bytes = count(what, Math.max(0, remaining() - 8));
    if (bytes > max) {
      throw fail(what, bytes + " bytes", "at most %d are read".formatted(max));
    }
    return (int) bytes;
  }

  void skip(long bytes, String what) {
    if (bytes < 0 || bytes > remaining()) {
      throw fail(what, bytes + " bytes", "only " + remaining() + " are left");
    }
    if (bytes <= buffer.remaining()) {
      buffer.position(buffer.position() + (int) bytes);
    } else {
      bufferStart = position() + bytes;
      buffer.limit(0);
    }
  }

  /** The next {@code length} bytes, which must be UTF-8. */
  String text(int length, String what) {
    if (length == 0) {
      return "";
    }
    if (length > remaining()) {
      throw fail(what, length + " bytes", "only " + remaining() + " are left");
    }
    byte[] bytes = new byte[length];
    if (length <= buffer.capacity()) {
      need(length, what);
      buffer.get(bytes);
    } else {
      file.read(position(), ByteBuffer.wrap(bytes));
      skip(length, what);
    }
    String text = new String(bytes, StandardCharsets.UTF_8);
    if (text.indexOf('\uFFFD') >= 0) {
      try {
        StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      } catch (CharacterCodingException e) {
        throw fail(what, text, "is no valid UTF-8");
      }
    }
    return text;
  }

  RuntimeFailure fail(String what, String value, String problem) {
    return fail(file, what, value, problem);
  }

  /** The one kind of failure for a file that is not what it should be. */
  static RuntimeFailure fail(FileBytes file, String what, String value, String problem) {
    return new RuntimeFailure(
        Kind.USER,
        "%s (%d bytes): %s = %s: %s; the file is damaged or of another kind, get it again"
            .formatted(file.path(), file.size(), shown(what), shown(value), problem),
        null);
  }

  /** Both may come from the damaged file: a key of 60 kB of anything is no reading matter. */
  private static String shown(String text) {
    int end = text.length() - MAX_SHOWN / 4;
    String shown =
        text.length() > MAX_SHOWN
            ? text.substring(0, MAX_SHOWN * 3 / 4) + "..." + text.substring(end)
            : text;
    return shown.replaceAll("\\p{Cntrl}", "?");
  }

  private void need(int bytes, String what) {
    if (buffer.remaining() >= bytes) {
      return;
    }
    long left = remaining();
    if (left < bytes) {
      throw fail(what, "?", "the file ends at byte " + file.size() + " in the middle of it");
    }
    bufferStart = position();
    buffer.clear().limit((int) Math.min(buffer.capacity(), left));
    file.read(bufferStart, buffer);
    buffer.flip();
  }
}
