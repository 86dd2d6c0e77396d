package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bytes behind 2^31 and 2^32, and readers that are interrupted while others read. */
class GgufReaderTest {
  private static final byte[] MARK = "the last row of a very large file".getBytes();

  @TempDir private Path folder;

  @Test
  void tensorsBehindFourGibibytes() throws IOException {
    GgufBytes file = new GgufBytes();
    file.keys.put("general.architecture", GgufBytes.text("llama"));
    long bigBytes = (5L << 30) + 32;
    long[] bigDims = {32, bigBytes / 128};
    file.tensors.put("big", new GgufBytes.Tensor(bigDims, 0, 0L));
    long tailOffset = bigDims[1] * 128;
    file.tensors.put("tail", new GgufBytes.Tensor(new long[] {16, 3}, 0, tailOffset));
    file.dataBytes = 0;
    Path path = file.write(folder);
    try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
      long dataStart = sparse.length();
      sparse.setLength(dataStart + tailOffset + 192);
      sparse.seek(dataStart + tailOffset + 128);
      sparse.write(MARK);
    }
    try (GgufReader reader = GgufReader.open(path)) {
      assertEquals(bigDims[1] * 128, reader.tensors().get("big").bytes());
      ByteBuffer row = ByteBuffer.allocate(64);
      reader.tensors().get("tail").readRows(2, 1, row);
      byte[] start = new byte[MARK.length];
      row.flip().get(start);
      assertArrayEquals(MARK, start);
      reader.tensors().get("big").readRows((int) bigDims[1] - 1, 1, ByteBuffer.allocate(128));
    }
  }

  @Test
  void interruptingOneReaderDisturbsNoOther() throws Exception {
    GgufReader reader = GgufReader.open(GgufBytes.llama().write(folder));
    GgufTensor tensor = reader.tensors().get("blk.0.ffn_up.weight");
    AtomicBoolean done = new AtomicBoolean();
    ExecutorService pool = Executors.newFixedThreadPool(3);
    List<Future<Integer>> readers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      readers.add(pool.submit(reading(tensor, done)));
    }
    for (int i = 0; i < 300; i++) {
      Thread.currentThread().interrupt();
      tensor.readRows(0, 64, ByteBuffer.allocate((int) tensor.bytes()));
      assertTrue(Thread.interrupted());
    }
    done.set(true);
    for (Future<Integer> f : readers) {
      assertTrue(f.get() > 0);
    }
    pool.shutdown();
    reader.close();
    assertThrows(
        IllegalStateException.class, () -> tensor.readRows(0, 1, ByteBuffer.allocate(128)));
  }

  private static Callable<Integer> reading(GgufTensor tensor, AtomicBoolean done) {
    return () -> {
      int rounds = 0;
      do {
        // Every other reader interrupts itself too: that closes the channel under the others.
        if (rounds % 7 == 3) {
          Thread.currentThread().interrupt();
        }
        ByteBuffer all = ByteBuffer.allocate((int) tensor.bytes());
        tensor.readRows(0, tensor.rows(), all);
        assertEquals(0, all.remaining());
        rounds++;
        Thread.interrupted();
      } while (!done.get());
      return rounds;
    };
  }
}
