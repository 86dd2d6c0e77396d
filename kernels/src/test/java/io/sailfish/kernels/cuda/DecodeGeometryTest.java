package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class DecodeGeometryTest {
  private static final int H200 = 132;

  /** What a block may ask for, less what the kernels have anyway. */
  private static final int SHARED = 226 << 10;

  @Test
  void cutsTheLlamaShapesEvenly() {
    assertEquals(new DecodeGeometry(8, 16, 4), DecodeGeometry.of(32, 48, H200)); // q|k|v
    assertEquals(new DecodeGeometry(4, 32, 8), DecodeGeometry.of(32, 32, H200)); // o
    assertEquals(new DecodeGeometry(4, 33, 8), DecodeGeometry.of(32, 224, H200)); // gate, up
    assertEquals(new DecodeGeometry(16, 8, 7), DecodeGeometry.of(112, 32, H200)); // down
    assertEquals(new DecodeGeometry(32, 4, 7), DecodeGeometry.of(224, 64, H200)); // 70B down
  }

  @Test
  void fitsEveryShapeOnTheCard() {
    for (int groups = 1; groups <= 300; groups += groups < 40 ? 1 : 13) {
      for (int panels = 1; panels <= 500; panels += panels < 40 ? 1 : 31) {
        DecodeGeometry cut = DecodeGeometry.of(groups, panels, H200);
        assertTrue(cut.blocks() <= H200, cut::toString);
        assertTrue(cut.runs() <= panels && cut.slices() <= groups, cut::toString);
        for (int rows = 8; rows <= 64; rows *= 2) {
          // The largest blocks of integer codes; and tables of pairs, 32 KB, beside their own.
          assertTrue(cut.sharedBytes(rows, 10240, 4) <= SHARED, cut::toString);
          assertTrue(cut.sharedBytes(rows, 9216, 4) + (32 << 10) <= SHARED, cut::toString);
        }
      }
    }
  }

  @Test
  void keepsRingsAsDeepAsTheKernelsWant() {
    for (int perSlice = 1; perSlice <= 8; perSlice++) {
      DecodeGeometry cut = new DecodeGeometry(1, 1, perSlice);
      assertEquals(0, cut.stages(16, 8448) % ((perSlice + 1) / 2), cut::toString);
      assertEquals(cut.stages(8, 8448), cut.stages(16, 4352), cut::toString);
    }
    DecodeGeometry cut = new DecodeGeometry(4, 33, 8);
    assertEquals(4, cut.stages(32, 8448));
    assertEquals(6, cut.stages(64, 6400));
    assertEquals(9, cut.stages(64, 4352));
    assertEquals(640, DecodeGeometry.threads(16));
    assertEquals(384, DecodeGeometry.threads(32));
    assertEquals(4 * 8448 + 8 * 64 * 256 + 8 * 64 * 4, cut.sharedBytes(64, 8448, 1));
    assertEquals(8 * 8448 + 8 * 8 * 256 + 8 * 2048 + 8 * 8 * 4, cut.sharedBytes(8, 8448, 1));
  }

  @Test
  void refusesMoreInputsThanTheCardHolds() {
    assertThrows(IllegalArgumentException.class, () -> DecodeGeometry.of(8 * H200 + 1, 1, H200));
  }
}
