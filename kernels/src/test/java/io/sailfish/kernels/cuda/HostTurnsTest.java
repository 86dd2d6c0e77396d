package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class HostTurnsTest {
  private static final Duration LONG = Duration.ofSeconds(20);

  @TempDir Path folder;
  private final AtomicInteger runs = new AtomicInteger();

  private void take(Path file, Duration most) throws Exception {
    HostTurns.take(file, most, runs::incrementAndGet);
  }

  private FileChannel held(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    channel.lock();
    return channel;
  }

  @Test
  void oneComesAfterTheOther() throws Exception {
    Path file = folder.resolve("lock");
    take(file, LONG);
    take(file, LONG);
    assertEquals(2, runs.get());
  }

  /** As another class loader of the same process holds it: the JVM then throws instead of waits. */
  @Test
  void waitsForThisVeryProcess() throws Exception {
    Path file = folder.resolve("lock");
    FileChannel other = held(file);
    Thread waiting =
        new Thread(
            () -> {
              try {
                take(file, LONG);
              } catch (Exception e) {
                runs.set(-1);
              }
            });
    waiting.start();
    waiting.join(200);
    assertEquals(0, runs.get(), "while another has its turn");
    other.close();
    waiting.join();
    assertEquals(1, runs.get());
  }

  /** A task that is killed meanwhile must not leave its process without a card. */
  @Test
  void anInterruptChangesNothing() throws Exception {
    Thread.currentThread().interrupt();
    try {
      take(folder.resolve("lock"), LONG);
    } finally {
      assertTrue(Thread.interrupted(), "kept for whoever looks");
    }
    assertEquals(1, runs.get());
  }

  @Test
  void anInterruptDoesNotEndTheWait() throws Exception {
    Path file = folder.resolve("lock");
    try (FileChannel other = held(file)) {
      Thread.currentThread().interrupt();
      assertThrows(TimeoutException.class, () -> take(file, Duration.ofMillis(100)));
      assertTrue(Thread.interrupted(), "kept for whoever looks");
      assertTrue(other.isOpen());
    }
    assertEquals(0, runs.get());
  }

  @Test
  void whoeverKeepsItIsNotWaitedForForEver() throws Exception {
    Path file = folder.resolve("lock");
    try (FileChannel other = held(file)) {
      TimeoutException e =
          assertThrows(TimeoutException.class, () -> take(file, Duration.ofMillis(50)));
      assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
      assertTrue(other.isOpen());
    }
    assertEquals(0, runs.get());
  }

  /** Such as a folder that is read only: what the work needs of it, it says itself. */
  @Test
  void whereNoFileCanBeLockedNobodyTakesTurns() throws Exception {
    take(folder.resolve("missing").resolve("lock"), LONG);
    assertEquals(1, runs.get());
  }

  @Test
  void whatTheWorkThrowsIsNotTakenForTheLocks() throws Exception {
    Path file = folder.resolve("lock");
    assertThrows(
        UnsatisfiedLinkError.class,
        () ->
            HostTurns.take(
                file,
                LONG,
                () -> {
                  throw new UnsatisfiedLinkError("half");
                }));
    take(file, LONG);
    assertEquals(1, runs.get(), "the turn was given back");
  }

  @Test
  void aUsersNameIsNoPath() {
    Path temp = Path.of("/tmp");
    assertEquals(temp, CudaDriver.unpackLock("/tmp", "a/../../b").getParent());
    assertEquals(temp, CudaDriver.unpackLock("/tmp", "A\\b\0c").getParent());
    assertEquals(
        "sailfish-jcuda-ann.lock", CudaDriver.unpackLock("/tmp", "ann").getFileName().toString());
  }

  @Test
  void processesWaitForOneAnother() throws Exception {
    List<Process> processes = new ArrayList<>();
    try {
      for (int i = 0; i < 3; i++) {
        processes.add(
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    Working.class.getName(),
                    folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log" + i).toFile())
                .start());
      }
      for (int i = 0; i < processes.size(); i++) {
        assertEquals(0, processes.get(i).waitFor(), Files.readString(folder.resolve("log" + i)));
      }
    } finally {
      processes.forEach(Process::destroyForcibly);
    }
  }

  /** A process that stumbles over another's work, once all three are there. */
  static final class Working {
    public static void main(String[] args) throws Exception {
      Path folder = Path.of(args[0]);
      Files.createTempFile(folder, "started", "");
      for (long started = 0; started < 3; Thread.sleep(5)) {
        try (Stream<Path> files = Files.list(folder)) {
          started = files.filter(f -> f.getFileName().toString().startsWith("started")).count();
        }
      }
      for (int turn = 0; turn < 5; turn++) {
        HostTurns.take(folder.resolve("lock"), LONG, () -> work(folder.resolve("work")));
      }
    }

    private static void work(Path file) {
      try {
        Files.createFile(file); // throws if it is there
        Thread.sleep(20);
        Files.delete(file);
      } catch (IOException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
