package io.sailfish.kernels.cuda;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Work that processes of a host do one after the other, by the lock of a file, which the system
 * takes back from a process that dies.
 */
final class HostTurns {
  private static final Logger LOG = LoggerFactory.getLogger(HostTurns.class);

  private static final long PAUSE_MILLIS = 10;

  private HostTurns() {}

  /**
   * Waits for the file's lock and works. An interrupt ends neither, and is kept for whoever looks:
   * what the work leaves may be for others too. Where no file can be locked (a folder that is read
   * only, a file system without locks) the work is done all the same, and the log says so.
   *
   * @param most how long others are waited for, in this process too
   * @throws TimeoutException if they took longer; nothing has been done
   */
  static void take(Path file, Duration most, Runnable work) throws TimeoutException {
    try (FileChannel channel = lock(file, most)) {
      work.run();
    } catch (IOException e) {
      // Of closing: the work is done.
      LOG.warn("{} is not closed: {}", file, e.toString());
    }
  }

  /** A channel that holds the lock until it is closed; null where no file can be locked. */
  private static FileChannel lock(Path file, Duration most) throws TimeoutException {
    FileChannel channel = null;
    boolean held = false;
    try {
      channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      await(channel, file, most);
      held = true;
      return channel;
    } catch (IOException e) {
      LOG.warn("processes that start at the same time take no turns, {}", e.toString());
      return null;
    } finally {
      if (!held) {
        closeQuietly(channel);
      }
    }
  }

  private static void await(FileChannel channel, Path file, Duration most)
      throws IOException, TimeoutException {
    long began = System.nanoTime();
    boolean interrupted = false;
    try {
      while (!isMine(channel)) {
        if (System.nanoTime() - began >= most.toNanos()) {
          throw new TimeoutException(
              "another process has held %s for %d s".formatted(file, most.toSeconds()));
        }
        try {
          Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Asked again and again, as a channel that waits is closed by an interrupt. */
  private static boolean isMine(FileChannel channel) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false; // this process has it: another thread, or another class loader's copy of us
    }
  }

  private static void closeQuietly(FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      LOG.warn("a lock's file is not closed: {}", e.toString());
    }
  }
}
