package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class DecodeGeometryTest {
  /** What a block may ask for, less what the kernels have anyway. */
  private static final int SHARED = 226 << 10;

  private static final int PAIR_TABLE = 32 << 10;

  @Test
  void fitsEveryKindOnTheCard() {
    for (int rows = 8; rows <= 64; rows *= 2) {
      for (int blockBytes : new int[] {4352, 6400, 8448, 8704, 9216, 10240}) {
        for (int own : new int[] {0, PAIR_TABLE}) {
          DecodeGeometry geometry = DecodeGeometry.of(rows, blockBytes, own);
          int used =
              own + rows * 1024 + geometry.xSlots() * rows * 256 + geometry.stages() * blockBytes;
          assertTrue(used <= geometry.sharedBytes(), geometry::toString);
          assertTrue(geometry.sharedBytes() <= SHARED, geometry::toString);
          assertTrue(geometry.sharedBytes() > SHARED / 2, "two on a multiprocessor");
          // Two for each warpgroup at least: one at work, one on its way.
          assertTrue(geometry.stages() >= 4 && geometry.stages() <= 16, geometry::toString);
          assertTrue(geometry.xSlots() >= 4 && geometry.xSlots() <= 16, geometry::toString);
        }
      }
    }
  }

  @Test
  void keepsRingsNoDeeperThanTheyPay() {
    assertEquals(new DecodeGeometry(9, 16, 116 << 10), geometry(8));
    assertEquals(new DecodeGeometry(7, 6, 64 * (1024 + 6 * 256) + 7 * 8448), geometry(64));
  }

  private static DecodeGeometry geometry(int rows) {
    return DecodeGeometry.of(rows, 8448, 0);
  }

  @Test
  void givesEveryClusterWork() {
    assertEquals(132, DecodeGeometry.blocks(448, 132));
    assertEquals(128, DecodeGeometry.blocks(64, 132));
    assertEquals(4, DecodeGeometry.blocks(2, 132));
    assertEquals(2, DecodeGeometry.blocks(64, 1));
  }
}
