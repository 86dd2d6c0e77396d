package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bytes behind 2^31 and 2^32. */
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
  void aMessageShowsNoMoreOfADamagedNameThanOneReads() {
    GgufBytes file = GgufBytes.llama();
    file.keys.put("a\n\u0000b".repeat(1_000), new GgufBytes.Value(99, new byte[4]));
    Path path = file.write(folder);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> GgufReader.open(path));
    String message = e.getMessage().substring(path.toString().length());
    assertTrue(message.startsWith(" ("), message);
    assertTrue(message.contains("key a??ba??b"), message);
    assertTrue(message.contains(" type = 99"), message);
    assertTrue(message.length() < 500, message);
  }
}
