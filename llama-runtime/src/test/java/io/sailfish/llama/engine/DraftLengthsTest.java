package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class DraftLengthsTest {
  private static final double[] LIKELY = {0.9, 0.81, 0.73, 0.66};
  private static final double[] UNLIKELY = {0.2, 0.04, 0.01};

  @Test
  void whereRowsCostNothingAllAreDrafted() {
    assertArrayEquals(
        new int[] {4, 3}, DraftLengths.best(List.of(LIKELY, UNLIKELY), 32, 10, rows -> 10));
  }

  @Test
  void whereAStepTakesAsLongAsItsRowsNoneAre() {
    assertArrayEquals(
        new int[] {0, 0},
        DraftLengths.best(List.of(LIKELY, UNLIKELY), 32, 20, rows -> 10.0 * rows));
  }

  @Test
  void rowsAreDraftedForAsFarAsTheyAreWorthTheirTime() {
    // A row costs a third of a step of one: the second row's tokens are not worth it.
    assertArrayEquals(
        new int[] {4, 0}, DraftLengths.best(List.of(LIKELY, UNLIKELY), 32, 4, rows -> 2 + rows));
    assertArrayEquals(
        new int[] {2, 0},
        DraftLengths.best(
            List.of(new double[] {0.9, 0.8, 0.1}, UNLIKELY), 32, 4, rows -> 2 + rows));
  }

  @Test
  void theBudgetGoesToTheLikeliest() {
    assertArrayEquals(
        new int[] {0, 3}, DraftLengths.best(List.of(UNLIKELY, LIKELY), 3, 10, rows -> 10));
    assertArrayEquals(
        new int[] {2, 1},
        DraftLengths.best(List.of(new double[] {0.9, 0.6}, new double[] {0.7, 0.5}), 3, 9, r -> 9));
  }

  @Test
  void aGainWithinTheNoiseIsNone() {
    assertArrayEquals(
        new int[] {0}, DraftLengths.best(List.of(new double[] {0.04}), 3, 10, rows -> 10));
  }

  @Test
  void withoutGuessesThereIsNothingToDraft() {
    assertArrayEquals(new int[] {0}, DraftLengths.best(List.of(new double[0]), 3, 10, rows -> 1));
  }
}
