package io.sailfish.arrow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BufferSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.util.MemoryUtil;
import org.junit.jupiter.api.Test;

class ArrowMemoryTest {
  @Test
  void countsWhatIsInUseAndThePeak() {
    try (ArrowMemory memory = new ArrowMemory(1 << 20)) {
      try (ArrowBuf a = memory.allocator().buffer(4096);
          ArrowBuf b = memory.allocator().buffer(8192)) {
        a.setInt(0, 7);
        b.setInt(8188, 9);
        assertEquals(16, a.getInt(0) + b.getInt(8188));
        assertEquals(12288, memory.statistics().bytesInUse());
      }
      assertEquals(new ArrowMemory.Statistics(0, 12288, 1 << 20, 0), memory.statistics());
    }
  }

  @Test
  void refusesPastTheCapWithNumbersAndKeyAndGoesOn() {
    try (ArrowMemory memory = new ArrowMemory(10_000);
        ArrowBuf held = memory.allocator().buffer(4096)) {
      ArrowMemoryException e =
          assertThrows(ArrowMemoryException.class, () -> memory.allocator().buffer(8192));
      assertEquals(8192, e.requestedBytes());
      assertEquals(4096, e.usedBytes());
      assertEquals(10_000, e.maxBytes());
      assertTrue(e.getMessage().contains("spark.sailfish.arrow.maxBytes"), e.getMessage());
      assertTrue(e.getMessage().contains("8,192"), e.getMessage());
      assertEquals(new ArrowMemory.Statistics(4096, 4096, 10_000, 1), memory.statistics());
      memory.allocator().buffer(4096).close();
      assertEquals(4096, held.capacity());
    }
  }

  @Test
  void childAllocatorsShareTheCap() {
    try (ArrowMemory memory = new ArrowMemory(10_000);
        var child = memory.allocator().newChildAllocator("task", 0, Long.MAX_VALUE)) {
      assertThrows(ArrowMemoryException.class, () -> child.buffer(16384));
      assertEquals(0, child.getAllocatedMemory());
      assertEquals(0, memory.statistics().bytesInUse());
    }
  }

  @Test
  void hostWithoutMemoryIsARefusalToo() {
    BufferSource empty =
        new BufferSource() {
          @Override
          public long allocate(long bytes) {
            return 0;
          }

          @Override
          public void free(long address, long bytes) {
            throw new AssertionError("nothing was allocated");
          }
        };
    try (ArrowMemory memory = new ArrowMemory(1 << 20, empty)) {
      ArrowMemoryException e =
          assertThrows(ArrowMemoryException.class, () -> memory.allocator().buffer(64));
      assertTrue(e.getMessage().contains("host has no memory"), e.getMessage());
      assertEquals(0, memory.statistics().bytesInUse());
    }
  }

  @Test
  void plainMemoryThatCannotExistIsRefusedAndNoOutOfMemoryError() {
    try (ArrowMemory memory = new ArrowMemory(Long.MAX_VALUE)) {
      assertThrows(ArrowMemoryException.class, () -> memory.allocator().buffer(1L << 60));
    }
  }

  @Test
  void takesAllBytesFromItsSource() {
    AtomicLong live = new AtomicLong();
    List<Long> given = new ArrayList<>();
    BufferSource counting =
        new BufferSource() {
          @Override
          public long allocate(long bytes) {
            live.addAndGet(bytes);
            given.add(MemoryUtil.allocateMemory(bytes));
            return given.get(given.size() - 1);
          }

          @Override
          public void free(long address, long bytes) {
            live.addAndGet(-bytes);
            MemoryUtil.freeMemory(address);
          }
        };
    try (ArrowMemory memory = new ArrowMemory(1 << 20, counting);
        ArrowBuf buffer = memory.allocator().buffer(1000)) {
      assertEquals(List.of(buffer.memoryAddress()), given);
      assertEquals(memory.statistics().bytesInUse(), live.get());
    }
    assertEquals(0, live.get());
  }

  @Test
  void closingWithALeakFails() {
    ArrowMemory memory = new ArrowMemory(1 << 20);
    memory.allocator().buffer(64);
    IllegalStateException e = assertThrows(IllegalStateException.class, memory::close);
    assertTrue(e.getMessage().contains("outstanding buffers allocated (1)"), e.getMessage());
  }

  @Test
  void capMustBePositive() {
    var e = assertThrows(IllegalArgumentException.class, () -> new ArrowMemory(0));
    assertTrue(e.getMessage().contains("spark.sailfish.arrow.maxBytes"), e.getMessage());
  }
}
