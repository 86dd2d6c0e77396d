package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.sailfish.llama.RuntimeFailure;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thousands of damaged files: each is read or refused with the one exception, fast and small. */
class GgufFuzzTest {
  private static final int FILES = 8000;
  private static final long MAX_NANOS = 1_000_000_000L;
  // A file has 30 kB; buffers and the JSON reader take some hundreds of kB of their own.
  private static final long MAX_ALLOCATED = 4L << 20;
  private static final long[] NUMBERS = {
    0,
    1,
    2,
    7,
    8,
    9,
    12,
    31,
    32,
    0x7f,
    0xff,
    0xffff,
    1L << 16,
    1L << 24,
    Integer.MAX_VALUE,
    1L << 31,
    0xffffffffL,
    1L << 32,
    1L << 40,
    1L << 60,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -1,
    -32
  };

  @TempDir private Path folder;

  @Test
  void damagedFilesAreReadOrRefused() throws IOException {
    byte[] whole = GgufBytes.llama().bytes();
    int headBytes = whole.length - 4 * GgufBytes.HIDDEN * (8 + 3 + 32 + 16 + 16 + 32 + 3 * 64);
    Path path = folder.resolve("damaged.gguf");
    Random random = new Random(20240611);
    int refused = 0;
    for (int i = 0; i < FILES; i++) {
      byte[] damaged = damage(whole, headBytes, random);
      Files.write(path, damaged);
      refused += check(path, i) ? 1 : 0;
    }
    // Neither a reader that refuses everything nor one that checks nothing would pass.
    assertTrue(refused > FILES / 2, "refused " + refused);
    assertTrue(refused < FILES * 99 / 100, "refused " + refused);
  }

  /** True when the file was refused. */
  private static boolean check(Path path, int file) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long allocated = threads.getCurrentThreadAllocatedBytes();
    long start = System.nanoTime();
    boolean refused = false;
    try {
      GgufRefusalTest.open(path);
    } catch (RuntimeFailure e) {
      refused = true;
      assertEquals(RuntimeFailure.Kind.USER, e.kind(), () -> "file " + file + ": " + e);
    } catch (Throwable t) {
      throw new AssertionError("file " + file, t);
    }
    long nanos = System.nanoTime() - start;
    long bytes = threads.getCurrentThreadAllocatedBytes() - allocated;
    // The first files pay for loading classes and the native library.
    if (file > 20) {
      assertTrue(nanos < MAX_NANOS, "file " + file + " took " + nanos / 1_000_000 + " ms");
      assertTrue(bytes < MAX_ALLOCATED, "file " + file + " allocated " + bytes);
    }
    return refused;
  }

  private static byte[] damage(byte[] whole, int headBytes, Random random) {
    byte[] out = whole.clone();
    for (int n = 1 + random.nextInt(3); n > 0; n--) {
      int at = random.nextInt(headBytes - 8);
      ByteBuffer buffer = ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN);
      long number = NUMBERS[random.nextInt(NUMBERS.length)];
      switch (random.nextInt(8)) {
        case 0 -> out[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> out[at] = (byte) random.nextInt();
        case 2 -> buffer.putInt(at, (int) number);
        case 3 -> buffer.putLong(at, number);
        case 4 -> buffer.putLong(at, buffer.getLong(at) + random.nextInt(65) - 32);
        case 5 ->
            System.arraycopy(whole, random.nextInt(headBytes - 64), out, at, random.nextInt(8));
        case 6 -> out = move(out, at, random.nextInt(17) - 8);
        default -> {
          if (random.nextInt(8) == 0) {
            out = Arrays.copyOf(out, random.nextInt(out.length));
            return out;
          }
        }
      }
      if (out.length < whole.length - 64) {
        return out;
      }
    }
    return out;
  }

  /** Inserts (by &gt; 0) or removes bytes at a place. */
  private static byte[] move(byte[] in, int at, int by) {
    byte[] out = new byte[in.length + by];
    System.arraycopy(in, 0, out, 0, at);
    int from = by < 0 ? at - by : at;
    System.arraycopy(in, from, out, Math.max(at, at + by), in.length - from);
    return out;
  }
}
