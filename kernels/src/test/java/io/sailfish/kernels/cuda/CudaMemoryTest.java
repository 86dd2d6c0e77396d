package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.DeviceMemoryException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CudaMemoryTest {
  /** A card of a given size that notices double frees and leaks. */
  private static final class FakeCard implements DeviceAllocator {
    final Map<Long, Long> taken = new HashMap<>();
    final long size;
    long next = 4096;
    int allocations;

    FakeCard(long size) {
      this.size = size;
    }

    @Override
    public long allocate(long bytes) {
      allocations++;
      if (bytes > freeBytes()) {
        return NONE;
      }
      long address = next;
      next += bytes;
      taken.put(address, bytes);
      return address;
    }

    @Override
    public void free(long address) {
      assertTrue(taken.remove(address) != null, "freed twice or never taken: " + address);
    }

    @Override
    public long freeBytes() {
      return size - taken.values().stream().mapToLong(Long::longValue).sum();
    }
  }

  private final FakeCard card = new FakeCard(1 << 20);
  private final CudaMemory memory = new CudaMemory(card);

  @Test
  void aFreedBufferServesTheNextRequestOfItsSize() {
    DeviceBuffer first = memory.allocate(5000, "first");
    long address = first.address();
    first.close();
    first.close();
    assertEquals(0, memory.liveBytes());
    assertEquals(address, memory.allocate(5100, "second").address());
    assertEquals(1, card.allocations);
    assertEquals(List.of("second"), memory.livePurposes());
  }

  @Test
  void aClosedBufferHasNoAddress() {
    DeviceBuffer buffer = memory.allocate(100, "cache");
    buffer.close();
    assertTrue(
        assertThrows(IllegalStateException.class, buffer::address).getMessage().contains("cache"));
  }

  @Test
  void idleMemoryIsHandedBackBeforeARequestIsRefused() {
    memory.allocate(600 << 10, "big").close();
    DeviceBuffer other = memory.allocate(900 << 10, "bigger");
    assertEquals(1, card.taken.size());
    other.close();
  }

  @Test
  void exhaustionNamesRequestedAndFreeBytes() {
    memory.allocate(512 << 10, "half");
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> memory.allocate(600 << 10, "KV cache"));
    assertEquals(600 << 10, e.requestedBytes());
    assertEquals(512 << 10, e.freeBytes());
    assertTrue(e.getMessage().contains("KV cache"), e.getMessage());
    memory.allocate(512 << 10, "still works");
  }

  @Test
  void aLimitActsLikeAFullCard() {
    memory.limitTo(10_000);
    DeviceBuffer buffer = memory.allocate(8192, "fits");
    assertThrows(DeviceMemoryException.class, () -> memory.allocate(4096, "does not"));
    buffer.close();
    memory.allocate(4096, "fits again").close();
    assertEquals(10_000, memory.freeBytes());
  }

  @Test
  void aScopeGivesBackAllWhenOneRequestFails() {
    memory.limitTo(64 << 10);
    assertThrows(
        DeviceMemoryException.class,
        () -> {
          try (MemoryScope scope = memory.scope()) {
            scope.allocate(20 << 10, "a");
            scope.allocate(20 << 10, "b");
            scope.allocate(40 << 10, "c");
            scope.keep();
          }
        });
    assertEquals(0, memory.liveBytes());
    try (MemoryScope scope = memory.scope()) {
      scope.allocate(20 << 10, "kept");
      scope.keep();
    }
    assertEquals(20 << 10, memory.liveBytes());
  }

  @Test
  void closingFreesEverything() {
    DeviceBuffer live = memory.allocate(100, "live");
    memory.allocate(100_000, "idle").close();
    memory.close();
    assertTrue(card.taken.isEmpty());
    live.close();
    assertTrue(card.taken.isEmpty());
  }

  @Test
  void sizeClassesWasteLittle() {
    assertEquals(512, CudaMemory.sizeClass(1));
    assertEquals(512, CudaMemory.sizeClass(512));
    assertEquals(1024, CudaMemory.sizeClass(513));
    for (long bytes = 4097; bytes < 1L << 40; bytes = bytes * 17 / 16) {
      long held = CudaMemory.sizeClass(bytes);
      assertTrue(held >= bytes && held <= bytes * 9 / 8 + 512, bytes + " -> " + held);
      assertEquals(held, CudaMemory.sizeClass(held));
    }
  }

  @Test
  void refusesNothing() {
    assertThrows(IllegalArgumentException.class, () -> memory.allocate(0, "nothing"));
  }
}
