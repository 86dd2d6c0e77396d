package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Bytes of a file by position; safe to use from several threads.
 *
 * <p>Positional reads and not a mapping: weights are read once, in order, into a packed copy, so a
 * mapping would only add the whole file to the resident size until it is collected, would need an
 * unmap through internal classes, and turns a file that shrinks under us into a signal instead of
 * an exception. A FileChannel has one trap: interrupting a reading thread (Spark does when it kills
 * a task) closes it for everybody. So it is opened again and the interrupt kept for the caller.
 */
final class FileBytes implements AutoCloseable {
  /** The JDK keeps a native buffer per thread as large as the largest read to the heap. */
  private static final int MAX_READ = 1 << 20;

  private final Path path;
  private final long size;
  private volatile boolean closed;
  private volatile FileChannel channel;
  private volatile int reopenings;

  private FileBytes(Path path, FileChannel channel, long size) {
    this.path = path;
    this.channel = channel;
    this.size = size;
  }

  static FileBytes open(Path path) {
    try {
      if (Files.isDirectory(path)) {
        throw new RuntimeFailure(
            Kind.USER, path + ": is a directory; give the path of the .gguf file in it", null);
      }
      FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
      return new FileBytes(path, channel, channel.size());
    } catch (NoSuchFileException e) {
      throw new RuntimeFailure(Kind.USER, path + ": no such file", e);
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, path + ": cannot be opened: " + e, e);
    }
  }

  Path path() {
    return path;
  }

  /** Bytes in the file when it was opened. */
  long size() {
    return size;
  }

  /** Fills {@code dst} from its position to its limit with the bytes from {@code position} on. */
  void read(long position, ByteBuffer dst) {
    if (position < 0 || position > size - dst.remaining()) {
      throw new IndexOutOfBoundsException(
          "%s: bytes [%d, +%d) of a file of %d".formatted(path, position, dst.remaining(), size));
    }
    boolean interrupted = Thread.interrupted();
    try {
      long at = position;
      int end = dst.limit();
      while (dst.position() < end) {
        int start = dst.position();
        dst.limit((int) Math.min(end, (long) start + MAX_READ));
        int n = 0;
        FileChannel from = channel;
        try {
          n = from.read(dst, at);
        } catch (ClosedChannelException e) {
          interrupted |= Thread.interrupted();
          dst.position(start); // the interrupt may come after the bytes
          reopen(from, e);
        }
        if (n < 0) {
          throw new RuntimeFailure(
              Kind.USER,
              "%s: ends at byte %d, had %d bytes when it was opened; it was changed while in use"
                  .formatted(path, at, size),
              null);
        }
        at += n;
        dst.limit(end);
      }
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.RETRYABLE, "%s: reading at byte %d failed: %s".formatted(path, position, e), e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private synchronized void reopen(FileChannel seen, ClosedChannelException cause)
      throws IOException {
    if (closed) {
      throw new IllegalStateException(path + ": read after close", cause);
    }
    // AsynchronousCloseException: another thread's interrupt; it or we open it again, once.
    if (channel == seen) {
      channel = FileChannel.open(path, StandardOpenOption.READ);
      reopenings++;
    }
  }

  /** How often an interrupt in mid-read had closed the file. */
  int reopenings() {
    return reopenings;
  }

  @Override
  public synchronized void close() {
    closed = true;
    try {
      channel.close();
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.RETRYABLE, path + ": closing failed: " + e, e);
    }
  }
}
