package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class DecodeGeometryTest {
  private static final int H200 = 132;

  @Test
  void cutsTheLlamaShapesEvenly() {
    assertEquals(new DecodeGeometry(8, 16, 4, 4), DecodeGeometry.of(32, 48, H200)); // q|k|v
    assertEquals(new DecodeGeometry(4, 32, 8, 4), DecodeGeometry.of(32, 32, H200)); // o
    assertEquals(new DecodeGeometry(4, 33, 8, 4), DecodeGeometry.of(32, 224, H200)); // gate, up
    assertEquals(new DecodeGeometry(16, 8, 7, 4), DecodeGeometry.of(112, 32, H200)); // down
    assertEquals(new DecodeGeometry(32, 4, 7, 4), DecodeGeometry.of(224, 64, H200)); // 70B down
  }

  @Test
  void fitsEveryShapeOnTheCard() {
    for (int groups = 1; groups <= 300; groups += groups < 40 ? 1 : 13) {
      for (int panels = 1; panels <= 500; panels += panels < 40 ? 1 : 31) {
        DecodeGeometry cut = DecodeGeometry.of(groups, panels, H200);
        assertTrue(cut.blocks() <= H200, cut::toString);
        assertTrue(cut.runs() <= panels && cut.slices() <= groups, cut::toString);
        assertEquals(0, cut.stages() % ((cut.groupsPerSlice() + 1) / 2), cut::toString);
        for (int rows = 8; rows <= 64; rows *= 2) {
          assertTrue(cut.sharedBytes(rows, 10240, 4) <= 226 << 10, cut::toString);
        }
      }
    }
  }

  @Test
  void refusesMoreInputsThanTheCardHolds() {
    assertThrows(IllegalArgumentException.class, () -> DecodeGeometry.of(8 * H200 + 1, 1, H200));
  }
}
