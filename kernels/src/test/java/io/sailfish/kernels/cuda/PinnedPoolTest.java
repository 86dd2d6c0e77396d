package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PinnedPoolTest {
  private static final long CAP = 64 << 10;

  private final List<PinnedMemory> taken = new ArrayList<>();

  private final PinnedPool pool =
      new PinnedPool(
          new PinnedPool.Source() {
            @Override
            public void makeCurrent() {}

            @Override
            public PinnedMemory pinned(int bytes) {
              PinnedMemory memory = PinnedMemory.plain(new DeviceFaults(), bytes, "test");
              taken.add(memory);
              return memory;
            }
          },
          CAP);

  @AfterEach
  void close() {
    pool.close();
    taken.forEach(memory -> assertThrows(IllegalStateException.class, memory::buffer));
  }

  @Test
  void aBufferIsKeptForTheNextOfItsSize() {
    long first = pool.allocate(5000);
    assertNotEquals(first, pool.allocate(5000));
    pool.free(first, 5000);
    assertEquals(first, pool.allocate(4900), "of the same size class");
    assertEquals(2, taken.size());
  }

  @Test
  void whatIsInUseCountsToTheCap() {
    assertNotEquals(0, pool.allocate(48 << 10));
    assertEquals(0, pool.allocate(32 << 10));
    assertNotEquals(0, pool.allocate(16 << 10));
    assertEquals(0, pool.allocate(1));
    assertEquals(2, taken.size());
  }

  @Test
  void idleBuffersMakeRoomForOtherSizes() {
    long[] small = new long[8];
    for (int i = 0; i < small.length; i++) {
      small[i] = pool.allocate(8 << 10);
    }
    assertEquals(0, pool.allocate(32 << 10));
    for (int i = 0; i < 4; i++) {
      pool.free(small[i], 8 << 10);
    }
    assertNotEquals(0, pool.allocate(32 << 10), "in place of four that are idle");
    assertEquals(0, pool.allocate(8 << 10), "the others are in use");
    pool.free(small[7], 8 << 10);
    assertEquals(small[7], pool.allocate(8 << 10));
    assertEquals(9, taken.size());
  }

  /** What would not be enough stays: it serves its own size. */
  @Test
  void idleBuffersAreNotGivenUpInVain() {
    long kept = pool.allocate(8 << 10);
    assertNotEquals(0, pool.allocate(48 << 10));
    pool.free(kept, 8 << 10);
    assertEquals(0, pool.allocate(32 << 10));
    assertEquals(kept, pool.allocate(8 << 10));
    assertEquals(2, taken.size());
  }

  /** Nobody would free it. */
  @Test
  void aClosedPoolHasNoMore() {
    long first = pool.allocate(5000);
    pool.close();
    pool.free(first, 5000);
    assertEquals(0, pool.allocate(5000));
    assertEquals(1, taken.size());
  }
}
