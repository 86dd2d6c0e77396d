package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;

class DraftIndexTest {
  @Test
  void nothingIsFoundWhereNoTwoTokensStoodTogetherBefore() {
    DraftIndex index = of(1, 2, 3, 1, 3, 2);
    assertEquals(0, index.matched());
    assertEquals(0, index.draft(5).length);
  }

  @Test
  void theLongestRunWinsOverALaterShorterOne() {
    DraftIndex index = of(1, 2, 3, 70, 71, 9, 2, 3, 80, 1, 2, 3);
    assertEquals(3, index.matched());
    assertArrayEquals(new int[] {70, 71, 9}, index.draft(3));
  }

  @Test
  void ofEqualRunsTheLastWins() {
    DraftIndex index = of(1, 2, 70, 1, 2, 80, 81, 1, 2);
    assertEquals(2, index.matched());
    assertEquals(80, index.next());
    assertArrayEquals(new int[] {80, 81, 1}, index.draft(3));
  }

  @Test
  void runsLongerThanTheLongestCountAsThat() {
    DraftIndex index = of(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5);
    assertEquals(DraftIndex.MOST, index.matched());
    assertArrayEquals(new int[] {6, 1, 2, 3, 4, 5}, index.draft(6));
  }

  @Test
  void aDraftThatReachesTheNewestTokenRepeatsItself() {
    assertArrayEquals(new int[] {7, 8, 9, 7, 8, 9, 7}, of(7, 8, 9, 7, 8, 9).draft(7));
    assertArrayEquals(new int[] {5, 5, 5}, of(5, 5, 5).draft(3));
  }

  /** Tables grow and entries collide; the definition is a search from the end. */
  @Test
  void itFindsWhatASearchFromTheEndFinds() {
    for (int vocabulary : new int[] {2, 5, 40}) {
      Random random = new Random(vocabulary);
      DraftIndex index = new DraftIndex();
      int[] tokens = new int[3000];
      for (int length = 1; length <= tokens.length; length++) {
        tokens[length - 1] = random.nextInt(vocabulary);
        index.add(tokens[length - 1]);
        int matched = 0;
        int from = 0;
        for (int size = DraftIndex.MOST; size >= DraftIndex.LEAST && matched == 0; size--) {
          from = search(tokens, length, size);
          matched = from > 0 ? size : 0;
        }
        assertEquals(matched, index.matched(), "after " + length);
        if (matched > 0) {
          assertEquals(tokens[from], index.next(), "after " + length);
        }
      }
      assertEquals(tokens.length, index.length());
    }
  }

  /** The place behind the last earlier occurrence of the newest {@code size} tokens, or 0. */
  private static int search(int[] tokens, int length, int size) {
    for (int end = length - 1; end >= size; end--) {
      boolean same = true;
      for (int i = 1; i <= size; i++) {
        same &= tokens[end - i] == tokens[length - i];
      }
      if (same) {
        return end;
      }
    }
    return 0;
  }

  private static DraftIndex of(int... tokens) {
    DraftIndex index = new DraftIndex();
    for (int token : tokens) {
      index.add(token);
    }
    return index;
  }
}
