package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Interrupts that hit a thread while it is inside a read: the JDK then closes the channel, for that
 * thread and for all others that read from it.
 */
@Timeout(60)
class FileBytesTest {
  private static final int REOPENINGS = 20;

  @TempDir Path folder;
  private Path file;
  private byte[] content;

  @BeforeEach
  void write() throws IOException {
    file = folder.resolve("weights");
    content = new byte[5_000_001];
    new Random(5).nextBytes(content);
    Files.write(file, content);
  }

  @Test
  void interruptsInMidReadReopenTheFileAndAreKeptForTheCaller() throws Exception {
    try (FileBytes bytes = FileBytes.open(file)) {
      AtomicInteger kept = new AtomicInteger();
      AtomicInteger lost = new AtomicInteger();
      Reader victim =
          new Reader(
              () -> {
                while (bytes.reopenings() < REOPENINGS) {
                  int before = bytes.reopenings();
                  assertArrayEquals(content, readAll(bytes));
                  if (bytes.reopenings() > before) {
                    (Thread.interrupted() ? kept : lost).incrementAndGet();
                  }
                }
              });
      interruptUntilDone(victim);
      assertEquals(0, lost.get());
      assertTrue(kept.get() > 0);
    }
  }

  @Test
  void aReaderThatNobodyInterruptsDoesNotNoticeThatAnotherIs() throws Exception {
    try (FileBytes bytes = FileBytes.open(file)) {
      Runnable reading =
          () -> {
            while (bytes.reopenings() < REOPENINGS) {
              assertArrayEquals(content, readAll(bytes));
            }
          };
      Reader other =
          new Reader(
              () -> {
                reading.run();
                assertFalse(Thread.currentThread().isInterrupted());
              });
      interruptUntilDone(new Reader(reading));
      other.end();
    }
  }

  @Test
  void readsAfterCloseSaySo() throws IOException {
    FileBytes bytes = FileBytes.open(file);
    bytes.close();
    IllegalStateException e = assertThrows(IllegalStateException.class, () -> readAll(bytes));
    assertEquals(file + ": read after close", e.getMessage());
  }

  private byte[] readAll(FileBytes bytes) {
    byte[] read = new byte[content.length];
    bytes.read(0, ByteBuffer.wrap(read));
    return read;
  }

  private static void interruptUntilDone(Reader victim) throws Exception {
    while (victim.thread.isAlive()) {
      victim.thread.interrupt();
      LockSupport.parkNanos(200_000);
    }
    victim.end();
  }

  /** A thread that hands on what it threw. */
  private static final class Reader {
    private final CompletableFuture<Void> result = new CompletableFuture<>();
    private final Thread thread;

    Reader(Runnable work) {
      thread =
          new Thread(
              () -> {
                try {
                  work.run();
                  result.complete(null);
                } catch (Throwable e) {
                  result.completeExceptionally(e);
                }
              });
      thread.start();
    }

    void end() throws Exception {
      thread.join();
      result.get();
    }
  }
}
