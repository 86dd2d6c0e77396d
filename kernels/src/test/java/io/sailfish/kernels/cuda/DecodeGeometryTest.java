package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class DecodeGeometryTest {
  /** What a block may ask for, less what the kernels have anyway. */
  private static final int SHARED = 226 << 10;

  /** What a multiprocessor has, and what of it every block of these kernels takes beside. */
  private static final int MULTIPROCESSOR = 228 << 10;

  private static final int STATIC = 3 << 10;

  private static final int PAIR_TABLE = 32 << 10;
  private static final Path PTX = Path.of("target", "cuda-ptx");

  /** A decode product's kind, and for how many blocks on a multiprocessor it was compiled. */
  private static final Pattern ENTRY =
      Pattern.compile(
          "\\.entry gemm_(w4|lut\\d)_b?f16_g(\\d+)(_z)?(_one)?_r(\\d+)\\(.*?\\.minnctapersm (\\d)",
          Pattern.DOTALL);

  private static final int[] BLOCK_BYTES = {4352, 6400, 8448, 8704, 9216, 10240};

  @Test
  void fitsEveryKindOnTheCard() {
    for (int rows = 32; rows <= 64; rows *= 2) {
      for (int blockBytes : BLOCK_BYTES) {
        for (int own : new int[] {0, PAIR_TABLE}) {
          DecodeGeometry geometry = DecodeGeometry.alone(rows, blockBytes, own);
          int used =
              own + rows * 1024 + geometry.xSlots() * rows * 256 + geometry.stages() * blockBytes;
          assertTrue(used <= geometry.sharedBytes(), geometry::toString);
          assertTrue(geometry.sharedBytes() <= SHARED, geometry::toString);
          assertTrue(geometry.sharedBytes() > SHARED / 2, "two on a multiprocessor");
          assertHasDepth(geometry);
        }
      }
    }
  }

  @Test
  void leavesRoomForTheNextKernelsBlockAndNoneForASecondOfItsOwn() {
    for (int rows = 8; rows <= 32; rows *= 2) {
      for (int blockBytes : BLOCK_BYTES) {
        for (int parts = 1; parts <= 4; parts *= 2) {
          assertShares(rows, parts, blockBytes);
        }
      }
    }
  }

  private static void assertShares(int rows, int parts, int blockBytes) {
    DecodeGeometry one = DecodeGeometry.beside(rows, parts, blockBytes, 0);
    DecodeGeometry other = DecodeGeometry.beside(rows, parts, blockBytes, 1);
    int used = rows * 512 + other.xSlots() * rows * 256 + other.stages() * blockBytes;
    assertTrue(used <= other.sharedBytes() && used <= one.sharedBytes(), other::toString);
    int both = one.sharedBytes() + other.sharedBytes() + 2 * STATIC;
    assertTrue(both <= MULTIPROCESSOR, "not beside one another: " + both);
    assertTrue(2 * (one.sharedBytes() + STATIC) > MULTIPROCESSOR, "two of one kernel");
    assertTrue(both + other.sharedBytes() > MULTIPROCESSOR, "three");
    assertTrue(2 * (other.sharedBytes() + STATIC) <= MULTIPROCESSOR, "both halves");
    assertEquals(one.stages(), other.stages());
    assertHasDepth(one);
  }

  @Test
  void putsTheRingBeforeAPlacedTableAndTheRestBehind() {
    for (int rows = 8; rows <= 32; rows *= 2) {
      for (int blockBytes : BLOCK_BYTES) {
        DecodeGeometry geometry = DecodeGeometry.placed(rows, blockBytes);
        // The kernel's own variables and the driver's kilobyte lie before the ring.
        assertTrue(STATIC + geometry.stages() * blockBytes <= 0x10000, geometry::toString);
        int end = 0x20000 + rows * 1024 + geometry.xSlots() * rows * 256;
        assertTrue(end <= 1024 + geometry.sharedBytes(), geometry::toString);
        assertTrue(geometry.sharedBytes() <= SHARED, geometry::toString);
        assertHasDepth(geometry);
      }
    }
  }

  @Test
  void fitsASmallTableIntoHalfAMultiprocessor() {
    int smallTable = 0x78 * 256;
    for (int rows = 8; rows <= 32; rows *= 2) {
      for (int blockBytes : new int[] {4352, 5120, 6400, 7168}) {
        for (int turn = 0; turn < 2; turn++) {
          DecodeGeometry geometry = DecodeGeometry.placedBeside(rows, blockBytes, turn);
          int before = geometry.stages() * blockBytes + geometry.xSlots() * rows * 256;
          assertTrue(STATIC + before <= 0x10000, geometry::toString);
          assertTrue(
              0x10000 + smallTable + rows * 512 <= 1024 + geometry.sharedBytes(),
              geometry::toString);
          assertEquals(
              DecodeGeometry.beside(16, 1, blockBytes, turn).sharedBytes(), geometry.sharedBytes());
          assertHasDepth(geometry);
        }
      }
    }
  }

  @Test
  void leavesEveryProductASlotToWaitForWhileItHoldsOthers() {
    for (PackedCode code : PackedCode.values()) {
      for (int group = 32; group <= 128; group *= 2) {
        PackedLayout layout =
            new PackedLayout(code, ZeroKind.SYMMETRIC, 384, 2944, group, TwoByteFloat.F16);
        for (int rows = 8; rows <= 64; rows *= 2) {
          for (int parts = 1; parts <= 4; parts *= 2) {
            assertNeverWaitsForItself(layout, 1, rows, parts);
            assertNeverWaitsForItself(layout, 24, rows, parts);
          }
        }
      }
    }
  }

  private static void assertNeverWaitsForItself(
      PackedLayout layout, int tables, int rows, int parts) {
    boolean placed = DecodeGemm.isPlaced(layout, tables, rows, parts);
    boolean beside = DecodeGemm.isBeside(layout, placed, rows);
    DecodeGeometry geometry = DecodeGemm.geometry(layout, rows, parts, placed, beside, 0);
    // As in gemm/decode.cuh: a slot holds two groups beside another block of up to 16 rows, and of
    // K in four parts each warpgroup has its own.
    boolean pairs = beside && rows <= 16;
    int slots = geometry.xSlots() / (pairs ? 2 : 1) / (parts == 4 ? 2 : 1);
    // A slot goes back only once the next but one is there, but where scales go on the sums, in
    // the middle of a pair, with 64 rows, and with 32 beside another block.
    boolean early =
        pairs
            || rows == 64
            || beside && !placed && rows == 32
            || layout.code().hasTable() && layout.scaleRowsPerBlock() == 1;
    assertTrue(
        slots >= (early ? 2 : 3),
        () -> "%s, %d tables, %d rows, %d parts: %d".formatted(layout, tables, rows, parts, slots));
  }

  private static void assertHasDepth(DecodeGeometry geometry) {
    // Two for each warpgroup at least: one at work, one on its way.
    assertTrue(geometry.stages() >= 4 && geometry.stages() <= 16, geometry::toString);
    // Two slots for each warpgroup that has a part of K to itself: one is awaited before the other
    // is given back.
    assertTrue(geometry.xSlots() >= 4 && geometry.xSlots() <= 16, geometry::toString);
  }

  @Test
  void keepsRingsNoDeeperThanTheyPay() {
    assertEquals(new DecodeGeometry(8, 16, 112 << 10), DecodeGeometry.beside(8, 1, 8448, 0));
    assertEquals(new DecodeGeometry(6, 12, 109 << 10), DecodeGeometry.beside(16, 1, 8448, 1));
    assertEquals(new DecodeGeometry(5, 6, 112 << 10), DecodeGeometry.beside(32, 4, 8448, 0));
    assertEquals(new DecodeGeometry(6, 5, 112 << 10), DecodeGeometry.beside(32, 2, 8448, 0));
    assertEquals(
        new DecodeGeometry(7, 6, 64 * (1024 + 6 * 256) + 7 * 8448),
        DecodeGeometry.alone(64, 8448, 0));
  }

  @Test
  void holdsTwoPairsOfGroupsForEachOfTwoWarpgroups() {
    for (int blockBytes : BLOCK_BYTES) {
      for (int rows = 8; rows <= 16; rows *= 2) {
        assertTrue(DecodeGeometry.beside(rows, 4, blockBytes, 0).xSlots() >= 2 * 2 * 2);
        assertTrue(DecodeGeometry.placedBeside(rows, blockBytes, 0).xSlots() >= 2 * 2 * 2);
      }
    }
  }

  @Test
  void takesBothHalvesWhereEveryWarpgroupHasAStrip() {
    assertTrue(DecodeGeometry.takesBothHalves(448, 132));
    assertTrue(DecodeGeometry.takesBothHalves(264, 132));
    assertFalse(DecodeGeometry.takesBothHalves(262, 132));
    assertFalse(DecodeGeometry.takesBothHalves(96, 132));
  }

  @Test
  void givesEveryClusterWork() {
    assertEquals(132, DecodeGeometry.blocks(448, 132));
    assertEquals(128, DecodeGeometry.blocks(64, 132));
    assertEquals(4, DecodeGeometry.blocks(2, 132));
    assertEquals(2, DecodeGeometry.blocks(64, 1));
  }

  @Test
  void launchesShareAMultiprocessorWhereEntriesAreCompiledFor() throws IOException {
    assumeTrue(Files.isDirectory(PTX), "no device code in this build: build with nvcc");
    int entries = 0;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(PTX, "*_decode_sm90.ptx")) {
      for (Path file : files) {
        Matcher entry = ENTRY.matcher(Files.readString(file));
        while (entry.find()) {
          PackedLayout layout =
              new PackedLayout(
                  PackedCode.valueOf(entry.group(1).toUpperCase(Locale.ROOT)),
                  entry.group(3) == null ? ZeroKind.SYMMETRIC : ZeroKind.ZERO,
                  384,
                  2944,
                  Integer.parseInt(entry.group(2)),
                  TwoByteFloat.F16);
          boolean placed = entry.group(4) != null;
          boolean beside = DecodeGemm.isBeside(layout, placed, Integer.parseInt(entry.group(5)));
          String name = entry.group().lines().findFirst().orElseThrow();
          assertEquals(beside ? "2" : "1", entry.group(6), name);
          entries++;
        }
      }
    }
    assertEquals(DecodeGemm.specs().size(), entries);
  }
}
