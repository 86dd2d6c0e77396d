package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sailfish.llama.engine.DraftLengths.Terms;
import io.sailfish.llama.engine.DraftLengths.Worth;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

class DraftLengthsTest {
  private static final double[] LIKELY = {0.9, 0.81, 0.73, 0.66};
  private static final double[] UNLIKELY = {0.2, 0.04, 0.01};

  @Test
  void whereRowsCostNothingAllAreDrafted() {
    assertArrayEquals(new int[] {4, 3}, best(List.of(LIKELY, UNLIKELY), 32, 10, rows -> 10));
  }

  @Test
  void whereAStepTakesAsLongAsItsRowsNoneAre() {
    assertArrayEquals(
        new int[] {0, 0}, best(List.of(LIKELY, UNLIKELY), 32, 20, rows -> 10.0 * rows));
  }

  @Test
  void rowsAreDraftedForAsFarAsTheyAreWorthTheirTime() {
    // A row costs a third of a step of one: the second row's tokens are not worth it.
    assertArrayEquals(new int[] {4, 0}, best(List.of(LIKELY, UNLIKELY), 32, 4, rows -> 2 + rows));
    assertArrayEquals(
        new int[] {2, 0},
        best(List.of(new double[] {0.9, 0.8, 0.1}, UNLIKELY), 32, 4, rows -> 2 + rows));
  }

  @Test
  void theBudgetGoesToTheLikeliest() {
    assertArrayEquals(new int[] {0, 3}, best(List.of(UNLIKELY, LIKELY), 3, 10, rows -> 10));
    assertArrayEquals(
        new int[] {2, 1},
        best(List.of(new double[] {0.9, 0.6}, new double[] {0.7, 0.5}), 3, 9, r -> 9));
  }

  @Test
  void aGainWithinTheNoiseIsNone() {
    assertArrayEquals(new int[] {0}, best(List.of(new double[] {0.04}), 3, 10, rows -> 10));
  }

  @Test
  void rowsCountByWhatTheirTokensAreWorth() {
    IntToDoubleFunction nanos = rows -> 8 + rows;
    Terms terms = new Terms(32, 10, 1.05, 0, 1e9);
    List<Worth> even = List.of(new Worth(LIKELY, 1), new Worth(UNLIKELY, 1));
    DraftLengths.Choice choice = DraftLengths.best(even, terms, nanos);
    assertArrayEquals(new int[] {4, 0}, choice.lengths());
    assertEquals(4, choice.drafted());
    List<Worth> behind = List.of(new Worth(new double[4], 0), new Worth(UNLIKELY, 1));
    choice = DraftLengths.best(behind, terms, nanos);
    assertArrayEquals(new int[] {0, 1}, choice.lengths(), "only who sets the end counts");
  }

  @Test
  void whatMayBeLostAndWhatDraftsCostBesideAreLimits() {
    List<double[]> one = List.of(LIKELY);
    IntToDoubleFunction nanos = rows -> 9 + rows;
    assertArrayEquals(new int[] {4}, best(one, new Terms(32, 10, 1.05, 0, 4), nanos));
    assertArrayEquals(new int[] {2}, best(one, new Terms(32, 10, 1.05, 0, 2.5), nanos));
    assertArrayEquals(new int[] {0}, best(one, new Terms(32, 10, 1.05, 30, 1e9), nanos));
  }

  @Test
  void withoutGuessesThereIsNothingToDraft() {
    assertArrayEquals(new int[] {0}, best(List.of(new double[0]), 3, 10, rows -> 1));
  }

  private static int[] best(
      List<double[]> chances, int most, double plain, IntToDoubleFunction nanos) {
    return best(chances, new Terms(most, plain, 1.05, 0, 1e9), nanos);
  }

  private static int[] best(List<double[]> chances, Terms terms, IntToDoubleFunction nanos) {
    return DraftLengths.best(chances.stream().map(own -> new Worth(own, 1)).toList(), terms, nanos)
        .lengths();
  }
}
