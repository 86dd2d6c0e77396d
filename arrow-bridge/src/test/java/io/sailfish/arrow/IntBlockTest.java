package io.sailfish.arrow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.arrow.memory.util.MemoryUtil;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class IntBlockTest {
  private final ArrowMemory memory = new ArrowMemory(1 << 20);

  @AfterEach
  void nothingLeaks() {
    memory.close();
  }

  @Test
  void integersLieWhereADeviceCopiesThem() {
    try (IntBlock block = new IntBlock(memory.allocator())) {
      block.ensure(70);
      for (int i = 0; i < 70; i++) {
        block.set(i, i * 1_000_003);
      }
      long address = block.address(7, 63);
      for (int i = 7; i < 70; i++) {
        assertEquals(i * 1_000_003, MemoryUtil.getInt(address + 4L * (i - 7)));
      }
      MemoryUtil.putInt(address, -5);
      assertEquals(-5, block.get(7));
    }
  }

  @Test
  void aLargerOneTakesThePlaceOfASmallerOne() {
    try (IntBlock block = new IntBlock(memory.allocator())) {
      block.ensure(10);
      long before = block.address(0, 10);
      block.ensure(10);
      assertEquals(before, block.address(0, 10), "what is large enough stays where it is");
      block.ensure(5000);
      assertTrue(block.capacity() >= 5000);
      assertEquals(4 * block.capacity(), memory.statistics().bytesInUse());
    }
  }

  @Test
  void whatIsOutsideIsRefused() {
    try (IntBlock block = new IntBlock(memory.allocator())) {
      assertThrows(IndexOutOfBoundsException.class, () -> block.get(0));
      block.ensure(16);
      int capacity = (int) block.capacity();
      assertThrows(IndexOutOfBoundsException.class, () -> block.set(capacity, 1));
      assertThrows(IndexOutOfBoundsException.class, () -> block.get(-1));
      assertThrows(IndexOutOfBoundsException.class, () -> block.address(1, capacity));
      assertThrows(
          IndexOutOfBoundsException.class, () -> block.address(Integer.MAX_VALUE, 2), "overflow");
    }
  }
}
