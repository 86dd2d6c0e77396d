package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cuda.DenseGemm.Entry;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DenseGeometryTest {
  /** What a multiprocessor has, less what the system and the barriers take. */
  private static final int SHARED = (227 << 10) - 2048;

  private static final int[] MULTIPROCESSORS = {1, 2, 3, 78, 114, 132, 160};
  private static final int[] PANELS = {1, 2, 3, 31, 32, 33, 48, 66, 67, 80, 132, 224, 225, 1002};
  private static final int[] TILES = {1, 2, 3, 4, 5, 16, 17};

  /** Two stages to multiply and give back, and two at least on their way. */
  @Test
  void everyEntryHasARingThatFits() {
    Set<Entry> chosen = new HashSet<>();
    for (int tileRows : new int[] {8, 16, 32, 64, 128}) {
      for (int tiles : TILES) {
        for (int panels : PANELS) {
          for (int multiprocessors : MULTIPROCESSORS) {
            chosen.add(DenseGemm.entry(tileRows, tiles, panels, multiprocessors));
          }
        }
      }
    }
    assertEquals(DenseGemm.specs().size(), 2 * chosen.size(), chosen::toString);
    for (Entry entry : chosen) {
      assertTrue(entry.stages() >= 4, entry::toString);
      assertTrue(entry.stages() * entry.stageBytes() <= SHARED, entry::toString);
      assertEquals(0, 128 % entry.step());
      assertEquals(0, entry.tileRows() * entry.step() * 2 % 16);
    }
  }

  /** As the kernel counts: of each job the strips that are there, and a tile. */
  @Test
  void jobsCoverAllStripsAndTilesOnce() {
    for (int outputs : new int[] {64, 128, 256}) {
      for (int tiles : TILES) {
        for (int panels : PANELS) {
          covered(new Entry(outputs, 128), panels, tiles);
        }
      }
    }
  }

  private static void covered(Entry e, int panels, int tiles) {
    boolean[][] seen = new boolean[2 * panels][tiles];
    int strips = e.outputs() / 64;
    long jobs = e.jobs(panels, tiles);
    int count = 0;
    for (int job = 0; job < jobs; job++) {
      int first = job / tiles * strips;
      assertTrue(first < 2 * panels, e::toString);
      for (int strip = first; strip < Math.min(2 * panels, first + strips); strip++) {
        assertTrue(!seen[strip][job % tiles], e::toString);
        seen[strip][job % tiles] = true;
        count++;
      }
    }
    assertEquals(2 * panels * tiles, count, e::toString);
  }

  @Test
  void blocksAreNoMoreThanMultiprocessorsAndJobs() {
    for (int tiles : TILES) {
      for (int panels : PANELS) {
        for (int multiprocessors : MULTIPROCESSORS) {
          Entry e = DenseGemm.entry(128, tiles, panels, multiprocessors);
          int blocks = e.blocks(panels, tiles, multiprocessors);
          assertTrue(blocks > 0 && blocks <= multiprocessors);
          assertTrue(blocks <= e.jobs(panels, tiles));
        }
      }
    }
  }

  /**
   * Rows, panels, and the microseconds of blocks of 64, 128 and 256 outputs; 0: never near. Layers
   * by themselves on noise, after a rest. The times order the entries and add up to less than four
   * layers in turn take, probably because a launch finds multiprocessors that the one before it, of
   * the same layer, left idle.
   */
  private static final double[][] MEASURED = {
    {64, 48, 14.51, 17.15, 0},
    {64, 32, 10.03, 16.45, 0},
    {64, 224, 59.29, 59.16, 0},
    {64, 32, 29.01, 55.35, 0},
    {128, 48, 17.37, 22.27, 0},
    {128, 32, 13.47, 21.99, 0},
    {128, 224, 73.50, 64.49, 62.00},
    {128, 32, 38.94, 67.75, 0},
    {128, 1002, 311.3, 284.6, 277.6},
    {256, 48, 28.11, 24.41, 0},
    {256, 32, 16.40, 22.48, 0},
    {256, 224, 114.32, 106.21, 102.46},
    {256, 32, 50.93, 68.90, 0},
    {256, 1002, 574.3, 442.1, 433.0},
    {512, 48, 46.53, 46.09, 44.20},
    {512, 32, 30.66, 26.83, 0},
    {512, 224, 276.73, 185.00, 188.93},
    {512, 32, 96.90, 87.80, 0},
    {2048, 48, 242.67, 151.40, 143.57},
    {2048, 32, 159.79, 101.19, 96.24},
    {2048, 224, 1226.38, 703.09, 670.11},
    {2048, 32, 587.23, 346.21, 322.32},
  };

  /** What GpuOpsCheck multiplies by, so that it meets every kernel. */
  @Test
  void checksOnTheCardMeetEveryWidthOfBlocks() {
    assertEquals(new Entry(64, 128), DenseGemm.entry(128, 1, 2, 132));
    assertEquals(new Entry(128, 64), DenseGemm.entry(64, 1, 133, 132));
    assertEquals(new Entry(128, 128), DenseGemm.entry(128, 1, 132, 132));
    assertEquals(new Entry(256, 128), DenseGemm.entry(128, 1, 133, 132));
    assertEquals(new Entry(256, 128), DenseGemm.entry(128, 3, 133, 132));
  }

  /** Layers of Llama 8B and its head on 132 multiprocessors. */
  @Test
  void theEntryIsTheFastestThatWasMeasured() {
    for (double[] line : MEASURED) {
      int rows = (int) line[0];
      int tileRows = Math.min(rows, 128);
      Entry e = DenseGemm.entry(tileRows, rows / tileRows, (int) line[1], 132);
      double took = line[2 + Integer.numberOfTrailingZeros(e.outputs() / 64)];
      String what = Arrays.toString(line) + ": " + e;
      assertTrue(took > 0, what);
      for (int i = 2; i < line.length; i++) {
        assertTrue(line[i] == 0 || took <= line[i], what);
      }
    }
  }

  @Test
  void tilesOfOtherRowsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> DenseGemm.entry(24, 1, 1, 132));
  }
}
