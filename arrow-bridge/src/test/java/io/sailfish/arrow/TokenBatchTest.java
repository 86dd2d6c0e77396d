package io.sailfish.arrow;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TokenBatchTest {
  private final ArrowMemory memory = new ArrowMemory(64 << 20);

  @AfterEach
  void nothingLeaks() {
    memory.close();
  }

  @Test
  void rowsComeBackAsTheyWere() {
    Random random = new Random(5);
    int[][] rows = new int[501][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = random.ints(random.nextInt(90), 0, 128_256).toArray();
    }
    try (TokenBatch.Writer writer = TokenBatch.writer(memory.allocator(), 0, 0)) {
      for (int[] row : rows) {
        writer.add(row);
      }
      try (TokenBatch batch = writer.finish()) {
        assertEquals(rows.length, batch.rows());
        assertEquals(Arrays.stream(rows).mapToLong(r -> r.length).sum(), batch.tokens());
        for (int i = 0; i < rows.length; i++) {
          assertEquals(rows[i].length, batch.length(i));
          assertArrayEquals(rows[i], batch.row(i));
        }
      }
    }
  }

  @Test
  void buffersHaveArrowsLayout() {
    try (TokenBatch.Writer writer = TokenBatch.writer(memory.allocator(), 2, 3)) {
      writer.add(new int[] {5, 6});
      writer.add(new int[] {});
      writer.add(new int[] {7});
      try (TokenBatch batch = writer.finish()) {
        assertArrayEquals(new int[] {0, 2, 2, 3}, ints(batch.offsetBuffer(), 4));
        assertArrayEquals(new int[] {5, 6, 7}, ints(batch.idBuffer(), 3));
      }
    }
  }

  @Test
  void rowsOutsideAreRefused() {
    try (TokenBatch.Writer writer = TokenBatch.writer(memory.allocator(), 1, 1)) {
      writer.add(new int[] {1});
      try (TokenBatch batch = writer.finish()) {
        assertThrows(IndexOutOfBoundsException.class, () -> batch.row(1));
        assertThrows(IndexOutOfBoundsException.class, () -> batch.length(-1));
        assertThrows(IllegalStateException.class, () -> writer.add(new int[] {2}));
      }
    }
  }

  @Test
  void unfinishedWriterGivesItsMemoryBack() {
    TokenBatch.Writer writer = TokenBatch.writer(memory.allocator(), 1, 1);
    writer.add(new int[] {1, 2, 3});
    writer.close();
    assertEquals(0, memory.statistics().bytesInUse());
  }

  private static int[] ints(org.apache.arrow.memory.ArrowBuf buffer, int count) {
    int[] values = new int[count];
    for (int i = 0; i < count; i++) {
      values[i] = buffer.getInt(4L * i);
    }
    return values;
  }
}
