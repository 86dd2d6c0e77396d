package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cuda.DenseGemm.Entry;
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
      assertEquals(0, entry.tileRows() * entry.step() * 2 / entry.members() % 16);
    }
  }

  /** As the kernel counts: the jobs of a cluster, and of each the outputs and rows. */
  @Test
  void jobsCoverAllStripsAndTilesOnce() {
    for (int tileRows : new int[] {8, 64, 128}) {
      for (int tiles : TILES) {
        for (int panels : PANELS) {
          for (int multiprocessors : MULTIPROCESSORS) {
            covered(DenseGemm.entry(tileRows, tiles, panels, multiprocessors), panels, tiles);
          }
        }
      }
    }
  }

  private static void covered(Entry e, int panels, int tiles) {
    boolean[][] seen = new boolean[2 * panels][tiles];
    int strips = e.outputs() / 64;
    int tileGroups = (tiles - 1) / e.together() + 1;
    long jobs = e.jobs(panels, tiles);
    int count = 0;
    for (int job = 0; job < jobs; job++) {
      for (int member = 0; member < e.members(); member++) {
        int unit = job / tileGroups * e.members() + member;
        int first = job % tileGroups * e.together();
        for (int strip = unit * strips; strip < (unit + 1) * strips; strip++) {
          for (int tile = first; tile < Math.min(tiles, first + e.together()); tile++) {
            if (strip < 2 * panels) {
              assertTrue(!seen[strip][tile], e::toString);
              seen[strip][tile] = true;
              count++;
            }
          }
        }
      }
    }
    assertEquals(2 * panels * tiles, count, e::toString);
  }

  @Test
  void blocksAreWholeClustersAndNoMoreThanMultiprocessors() {
    for (int tiles : TILES) {
      for (int panels : PANELS) {
        for (int multiprocessors : MULTIPROCESSORS) {
          Entry e = DenseGemm.entry(128, tiles, panels, multiprocessors);
          int blocks = e.blocks(panels, tiles, multiprocessors);
          assertEquals(0, blocks % e.members());
          assertTrue(blocks > 0 && blocks <= Math.max(e.members(), multiprocessors));
          assertTrue(blocks <= e.members() * e.jobs(panels, tiles));
        }
      }
    }
  }

  /** Layers of Llama 8B and its head on 132 multiprocessors; layers up to 64 rows as measured. */
  @Test
  void fewOutputsAreSpreadAndManyReadRowsLessOften() {
    assertEquals(new Entry(64, 8, 1), DenseGemm.entry(8, 1, 1002, 132));
    for (int panels : new int[] {32, 48}) {
      assertEquals(new Entry(64, 64, 1), DenseGemm.entry(64, 1, panels, 132));
      assertEquals(new Entry(64, 128, 1), DenseGemm.entry(128, 1, panels, 132));
    }
    for (int panels : new int[] {224, 1002}) {
      assertEquals(new Entry(128, 64, 1), DenseGemm.entry(64, 1, panels, 132));
      assertEquals(new Entry(128, 128, 1), DenseGemm.entry(128, 1, panels, 132));
      assertEquals(new Entry(128, 128, 2), DenseGemm.entry(128, 2, panels, 132));
    }
    assertEquals(new Entry(128, 128, 2), DenseGemm.entry(128, 16, 32, 132));
  }

  @Test
  void tilesOfOtherRowsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> DenseGemm.entry(24, 1, 1, 132));
  }
}
