package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RowDraftsTest {
  private final HitRates all = new HitRates(1.0 / 64);
  private final RowDrafts drafts = new RowDrafts(all);

  @Test
  void chancesAreLearntFromTokensThatCameWithoutADraft() {
    Sequence copies = new Sequence(new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2}, List.of());
    drafts.follow(copies, 100);
    assertArrayEquals(new int[] {3, 4, 5}, drafts.draft(3, Set.of()));
    assertArrayEquals(new double[] {0.3, 0.09, 0.027}, drafts.chances(3), 1e-9);
    for (int token = 3; token < 9; token++) {
      copies.append(token);
    }
    drafts.follow(copies, 100);
    assertTrue(drafts.chances(1)[0] > 0.75, "after runs of four tokens four guesses were right");
    assertTrue(all.chances(DraftIndex.MOST, 1)[0] > 0.75, "which other rows know too");
    copies.append(30);
    drafts.follow(copies, 100);
    assertEquals(0, drafts.draft(3, Set.of()).length);
  }

  @Test
  void aRowStartsWithWhatAllKnowButNeverConfident() {
    for (int i = 0; i < 100; i++) {
      all.note(2, false);
      all.note(3, true);
    }
    RowDrafts next = new RowDrafts(all);
    next.follow(new Sequence(new int[] {1, 2, 3, 1, 2}, List.of()), 100);
    assertTrue(next.chances(1)[0] < 0.1);
    next = new RowDrafts(all);
    next.follow(new Sequence(new int[] {1, 2, 3, 4, 1, 2, 3}, List.of()), 100);
    assertEquals(0.3, next.chances(1)[0]);
  }

  @Test
  void aPromptThatRepeatsItselfSaysNothingOfTheAnswer() {
    drafts.follow(new Sequence(new int[] {1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, List.of()), 100);
    assertEquals(0.3, drafts.chances(1)[0]);
  }

  @Test
  void aDraftEndsBeforeAStopToken() {
    drafts.follow(new Sequence(new int[] {1, 2, 3, 4, 5, 1, 2}, List.of()), 100);
    assertArrayEquals(new int[] {3}, drafts.draft(4, Set.of(4)));
  }
}
