package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DenseMatrixTest {
  @Test
  void everyElementOfAPanelHasAPlaceOfItsOwn() {
    Set<Integer> seen = new HashSet<>();
    int cols = DenseMatrix.paddedCols(200);
    assertEquals(256, cols);
    for (int output = 128; output < 256; output++) {
      for (int input = 0; input < cols; input++) {
        int index = DenseMatrix.indexInPanel(output, input, 200);
        assertTrue(2L * index < DenseMatrix.panelBytes(200) && seen.add(index));
      }
    }
    assertEquals(128 * cols, seen.size());
  }

  /** So that a stage of a block of threads is one copy. */
  @Test
  void anyRunOfInputsOfAStripIsARunOfBytes() {
    for (int strip = 0; strip < 2; strip++) {
      for (int piece = 0; piece < 32; piece++) {
        Set<Integer> places = new HashSet<>();
        for (int output = 64 * strip; output < 64 * (strip + 1); output++) {
          places.add(DenseMatrix.indexInPanel(output, 8 * piece, 200) / 8);
        }
        int from = (32 * strip + piece) * 64;
        assertEquals(64, places.size());
        assertTrue(places.stream().allMatch(place -> place >= from && place < from + 64));
      }
    }
  }

  /** Rows r and r + 8 of a fragment are a thread's; they have to be neighbouring outputs. */
  @Test
  void neighbouringOutputsMeetInAThread() {
    for (int output = 0; output < 128; output += 2) {
      int place = DenseMatrix.place(output);
      assertEquals(place + 8, DenseMatrix.place(output + 1));
      assertEquals(output % 64 / 16, place / 16);
      assertEquals(output % 16 / 2, place % 16);
    }
  }

  @Test
  void sizesCoverThePadding() {
    assertEquals(2 * 128 * 128 * 2L, DenseMatrix.bytes(129, 1));
    assertEquals(1002 * 128L * 4096 * 2, DenseMatrix.bytes(128256, 4096));
  }
}
