package io.sailfish.arrow;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.apache.arrow.memory.util.MemoryUtil;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class Utf8ColumnTest {
  private final ArrowMemory memory = new ArrowMemory(64 << 20);

  @AfterEach
  void nothingLeaks() {
    memory.close();
  }

  private Utf8Writer writer() {
    return Utf8Column.writer(memory.allocator(), 0, 0);
  }

  @Test
  void nullEmptyAndTextKeepTheirRows() {
    try (Utf8Writer writer = writer()) {
      writer.write("prompt é 😀");
      writer.writeNull();
      writer.write("");
      writer.write((String) null);
      writer.write("xyz".getBytes(StandardCharsets.UTF_8), 1, 2);
      try (Utf8Column column = writer.finish()) {
        assertEquals(5, column.rows());
        assertEquals("prompt é 😀", column.text(0));
        assertTrue(column.isNull(1));
        assertFalse(column.isNull(2));
        assertEquals("", column.text(2));
        assertTrue(column.isNull(3));
        assertEquals("yz", column.text(4));
        assertEquals(2, column.byteLength(4));
        assertEquals(0, column.byteLength(1));
        assertEquals(2, column.vector().getNullCount());
        assertThrows(IllegalStateException.class, () -> column.text(1));
      }
    }
  }

  @Test
  void emptyColumn() {
    try (Utf8Writer writer = writer();
        Utf8Column column = writer.finish()) {
      assertEquals(0, column.rows());
    }
  }

  @Test
  void reserveGivesTheAddressOfTheRowsBytes() {
    byte[] text = "straight in".getBytes(StandardCharsets.UTF_8);
    try (Utf8Writer writer = writer()) {
      writer.write("before");
      MemoryUtil.copyToMemory(text, 0, writer.reserve(text.length), text.length);
      writer.write("after");
      try (Utf8Column column = writer.finish()) {
        assertEquals("straight in", column.text(1));
        assertEquals("after", column.text(2));
      }
    }
  }

  @Test
  void growsOverManyRowsOfOddSizes() {
    Random random = new Random(7);
    int rows = 3001;
    byte[][] expected = new byte[rows][];
    try (Utf8Writer writer = writer()) {
      for (int i = 0; i < rows; i++) {
        if (random.nextInt(5) == 0) {
          writer.writeNull();
          continue;
        }
        expected[i] = new byte[random.nextInt(700)];
        random.nextBytes(expected[i]);
        writer.write(expected[i], 0, expected[i].length);
      }
      try (Utf8Column column = writer.finish()) {
        for (int i = 0; i < rows; i++) {
          assertEquals(expected[i] == null, column.isNull(i), "row " + i);
          if (expected[i] != null) {
            assertArrayEquals(expected[i], column.bytes(i), "row " + i);
          }
        }
      }
    }
  }

  @Test
  void invalidBytesAreKeptAndReadAsReplacement() {
    byte[] invalid = {'a', (byte) 0xff, 'b'};
    try (Utf8Writer writer = writer()) {
      writer.write(invalid, 0, 3);
      writer.write("lone \ud800 surrogate");
      try (Utf8Column column = writer.finish()) {
        assertArrayEquals(invalid, column.bytes(0));
        assertEquals("a\uFFFDb", column.text(0));
        assertEquals("lone \uFFFD surrogate", column.text(1));
      }
    }
  }

  @Test
  void refusalLeavesTheWriterUsable() {
    try (Utf8Writer writer = writer()) {
      writer.write("kept");
      assertThrows(ArrowMemoryException.class, () -> writer.reserve(100 << 20));
      writer.write("too");
      try (Utf8Column column = writer.finish()) {
        assertEquals(2, column.rows());
        assertEquals("kept", column.text(0));
        assertEquals("too", column.text(1));
      }
    }
  }

  @Test
  void offsetsPastTwoGibibytesAreRefused() {
    try (Utf8Writer writer = writer()) {
      writer.write("x");
      var e = assertThrows(IllegalArgumentException.class, () -> writer.reserve(Integer.MAX_VALUE));
      assertTrue(e.getMessage().contains("2,147,483,647"), e.getMessage());
      assertThrows(IllegalArgumentException.class, () -> writer.reserve(-1));
      assertEquals(1, writer.rows());
    }
  }

  @Test
  void finishedWriterTakesNoMore() {
    Utf8Writer writer = writer();
    writer.finish().close();
    assertThrows(IllegalStateException.class, writer::writeNull);
    writer.close();
  }

  @Test
  void noMemoryAtTheStartLeaksNothing() {
    try (ArrowMemory tight = new ArrowMemory(128)) {
      assertThrows(ArrowMemoryException.class, () -> Utf8Column.writer(tight.allocator(), 8, 4096));
    }
  }
}
