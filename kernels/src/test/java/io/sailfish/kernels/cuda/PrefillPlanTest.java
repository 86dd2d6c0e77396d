package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import org.junit.jupiter.api.Test;

class PrefillPlanTest {
  private static final int H200 = 132;

  private static PrefillPlan plan(int inputs, int outputs, int rows) {
    return PrefillPlan.of(inputs / 128, outputs / 128, (rows + 127) / 128, H200);
  }

  private static PackedLayout layout(int outputs, int inputs, int group, ZeroKind zeros) {
    return new PackedLayout(PackedCode.W4, zeros, outputs, inputs, group, TwoByteFloat.F16);
  }

  @Test
  void plansTheLayersOfLlama() {
    assertEquals(new PrefillPlan(2, 0, 24, 2, true, 20), plan(4096, 6144, 128));
    assertEquals(new PrefillPlan(4, 0, 16, 4, false, 13), plan(4096, 4096, 128));
    assertEquals(new PrefillPlan(4, 0, 32, 2, true, 20), plan(4096, 4096, 256));
    assertEquals(new PrefillPlan(1, 3, 26, 2, true, 116), plan(4096, 28672, 256));
    assertEquals(new PrefillPlan(4, 1, 14, 4, false, 85), plan(8192, 10240, 256));
    assertEquals(new PrefillPlan(1, 7, 0, 1, false, 224), plan(4096, 28672, 512));
  }

  @Test
  void partsDependOnTheWeightAlone() {
    for (int multiprocessors : new int[] {1, 78, 114, H200, 148}) {
      for (int rowBlocks = 1; rowBlocks < 40; rowBlocks++) {
        for (int panels : new int[] {1, 5, 32, 48, 80, 224}) {
          PrefillPlan plan = PrefillPlan.of(32, panels, rowBlocks, multiprocessors);
          assertEquals(PrefillPlan.parts(32, panels), plan.parts());
        }
      }
    }
  }

  @Test
  void everyTileIsMultipliedOnce() {
    for (int multiprocessors : new int[] {1, 78, H200}) {
      for (int groups : new int[] {1, 5, 8, 32, 112}) {
        for (int tiles = 1; tiles < 700; tiles += 3) {
          PrefillPlan plan = PrefillPlan.of(groups, tiles, 1, multiprocessors);
          int clusters = Math.max(1, multiprocessors / 2);
          int pairs = (tiles + 1) / 2;
          int whole = plan.wholeRounds() * clusters;
          assertTrue(whole + plan.splitTiles() >= pairs, () -> "tiles left out by " + plan);
          assertTrue(plan.splitTiles() == 0 || whole + plan.splitTiles() == pairs, plan::toString);
          assertTrue(plan.splitTiles() < clusters, plan::toString);
          assertTrue(plan.parts() <= 4, plan::toString);
          if (plan.byRows()) {
            assertTrue(plan.pieces() == 2 && 2 * plan.splitTiles() <= clusters, plan::toString);
          } else {
            assertTrue(plan.pieces() <= plan.parts(), plan::toString);
          }
          assertTrue(plan.blocks(multiprocessors) > 0, plan::toString);
        }
      }
    }
  }

  @Test
  void partialSumsFitWhatIsAskedFor() {
    PackedLayout layout = layout(4096, 4096, 128, ZeroKind.SYMMETRIC);
    assertEquals(32L * 4 * 65536, PrefillGemm.partialBytes(layout, 100, H200));
    assertEquals(0, PrefillGemm.partialBytes(layout, 512, H200));
    assertEquals(0, PrefillGemm.partialBytes(layout, 256, H200));
    assertEquals(1056, PrefillGemm.arrivalBytes(H200));
  }

  @Test
  void theRingFitsSharedMemory() {
    assertEquals(4, PrefillGemm.stages(layout(128, 128, 128, ZeroKind.SYMMETRIC), 0));
    assertEquals(4, PrefillGemm.stages(layout(128, 128, 128, ZeroKind.ZERO), 0));
    assertEquals(3, PrefillGemm.stages(layout(128, 128, 32, ZeroKind.ZERO), 0));
  }

  @Test
  void aTableLeavesTheRingLess() {
    assertEquals(3, PrefillGemm.stages(table(PackedCode.LUT4), 1));
    assertEquals(4, PrefillGemm.stages(table(PackedCode.LUT4), 2));
    assertEquals(3, PrefillGemm.stages(table(PackedCode.LUT3), 1));
    assertEquals(4, PrefillGemm.stages(table(PackedCode.LUT2), 1));
  }

  @Test
  void everyKindHasARingOfThreeStages() {
    for (PackedCode code : PackedCode.values()) {
      for (int group = 32; group <= 128; group *= 2) {
        for (ZeroKind zeros : ZeroKind.values()) {
          PackedLayout layout = new PackedLayout(code, zeros, 128, 1024, group, TwoByteFloat.F16);
          for (int tables = code.hasTable() ? 1 : 0;
              tables <= (code.hasTable() ? 2 : 0);
              tables++) {
            int stages = PrefillGemm.stages(layout, tables);
            int pairs = tables == 1 ? ((code.codes() - 1) * 17 + 1) * 128 : 0;
            int shared = pairs + stages * (layout.blockBytes() + (32 << 10)) + (64 << 10);
            assertTrue(stages >= 3 && shared <= 226 << 10, layout + ", " + tables + " tables");
          }
        }
      }
    }
  }

  private static PackedLayout table(PackedCode code) {
    return new PackedLayout(code, ZeroKind.SYMMETRIC, 128, 1024, 128, TwoByteFloat.F16);
  }

  @Test
  void refusesPartsThatWouldNotHoldThePaddedColumns() {
    TiledActivations q = new TiledActivations(TwoByteFloat.F16, 128, 1, 192, 128);
    TiledActivations k = new TiledActivations(TwoByteFloat.F16, 128, 1, 128, 128);
    PackedLayout layout = layout(448, 128, 128, ZeroKind.SYMMETRIC);
    assertThrows(
        KernelException.class, () -> PrefillGemm.checkSplit(GemmEpilogue.split(q, k, k), layout));
    TiledActivations wide = new TiledActivations(TwoByteFloat.F16, 128, 1, 256, 128);
    PrefillGemm.checkSplit(
        GemmEpilogue.split(wide, k, k), layout(512, 128, 128, ZeroKind.SYMMETRIC));
  }
}
