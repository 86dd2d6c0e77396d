package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SchedulerTest {
  private static final int BLOCK = 4;

  private final BlockPool pool = new BlockPool(64, BLOCK, true);
  private final Scheduler scheduler = new Scheduler(new Scheduler.Limits(4, 16, 8, 8), pool);

  @Test
  void aLongPromptIsCutAtMultiplesOfTheChunkFromItsOwnStart() {
    Sequence small = sequence(0, 5);
    Sequence large = sequence(1, 30);
    scheduler.add(small);
    scheduler.add(large);
    assertEquals(List.of(5, 8), rowsOf(scheduler.plan()), "11 rows are left, the cut is at 8");
    small.append(1);
    assertEquals(List.of(1, 16), rowsOf(scheduler.plan()), "decoding rows come on top");
    small.append(1);
    BatchPlan end = scheduler.plan();
    assertEquals(List.of(1, 6), rowsOf(end));
    assertEquals(2, end.logitRows().length, "logits of the decoding row and the prompt's last");
  }

  @Test
  void admissionIsInOrderAndStopsAtTheRowLimit() {
    List<Sequence> all = IntStream.range(0, 6).mapToObj(i -> sequence(i, 2)).toList();
    all.forEach(scheduler::add);
    BatchPlan plan = scheduler.plan();
    assertEquals(all.subList(0, 4), plan.parts().stream().map(BatchPlan.Part::sequence).toList());
    all.subList(0, 4).forEach(s -> s.append(9));
    scheduler.remove(all.get(1));
    BatchPlan next = scheduler.plan();
    assertEquals(
        List.of(all.get(0), all.get(2), all.get(3), all.get(4)),
        next.parts().stream().map(BatchPlan.Part::sequence).toList(),
        "the slot is refilled at the next step");
  }

  @Test
  void aSharedPrefixIsComputedOnceEvenInTheSameStep() {
    int[] shared = prompt(0, 8);
    scheduler.add(new Sequence(concat(shared, 50, 51), List.of()));
    Sequence second = new Sequence(concat(shared, 52), List.of());
    scheduler.add(second);
    BatchPlan plan = scheduler.plan();
    assertEquals(List.of(10, 1), rowsOf(plan));
    assertEquals(8, second.reusedTokens());
    assertEquals(plan.blockTables()[0], plan.blockTables()[plan.blockTableStride()]);
  }

  @Test
  void aRowWaitsForAPrefixInTheMakingWhileOthersPassIt() {
    int[] shared = prompt(0, 24);
    Sequence first = new Sequence(concat(shared, 50), List.of());
    Sequence second = new Sequence(concat(shared, 51), List.of());
    Sequence other = sequence(3, 2);
    scheduler.add(first);
    scheduler.add(second);
    scheduler.add(other);
    assertEquals(List.of(16), rowsOf(scheduler.plan()), "the budget goes to the oldest");
    BatchPlan next = scheduler.plan();
    assertEquals(
        List.of(first, second, other),
        next.parts().stream().map(BatchPlan.Part::sequence).toList());
    assertEquals(List.of(9, 1, 2), rowsOf(next), "now the prefix is there");
  }

  @Test
  void aPromptKnownAsAWholeStillComputesItsLastToken() {
    Sequence first = sequence(0, 8);
    scheduler.add(first);
    scheduler.plan();
    scheduler.remove(first);
    Sequence again = sequence(0, 8);
    scheduler.add(again);
    BatchPlan plan = scheduler.plan();
    assertEquals(4, again.reusedTokens());
    assertEquals(List.of(4), rowsOf(plan));
    assertEquals(1, plan.logitRows().length);
  }

  @Test
  void aFullCachePutsTheYoungestBackAndComputesItAgain() {
    BlockPool small = new BlockPool(5, BLOCK, true);
    Scheduler tight = new Scheduler(new Scheduler.Limits(4, 16, 8, 8), small);
    Sequence old = sequence(0, 7);
    Sequence young = sequence(1, 7);
    tight.add(old);
    tight.add(young);
    assertEquals(2, tight.plan().parts().size());
    for (int i = 0; i < 4; i++) {
      old.append(20 + i);
      young.append(30 + i);
      tight.plan();
    }
    assertEquals(1, tight.preemptions());
    assertEquals(1, tight.numWaiting());
    assertEquals(0, young.computed());
    tight.remove(old);
    BatchPlan plan = tight.plan();
    assertEquals(young.length(), young.computed());
    assertEquals(1, plan.logitRows().length);
    tight.remove(young);
    assertEquals(5, small.available());
  }

  @Test
  void continuationsShareThePromptAndItsPartialTail() {
    Sequence scored =
        new Sequence(prompt(0, 6), List.of(new int[] {1, 2, 3}, new int[] {4}, new int[] {5, 6}));
    scheduler.add(scored);
    assertEquals(List.of(6), rowsOf(scheduler.plan()));
    BatchPlan plan = scheduler.plan();
    assertEquals(List.of(2, 1), rowsOf(plan), "last tokens are predicted, never computed");
    assertEquals(3, plan.logitRows().length);
    int copy = plan.blockTables()[plan.blockTableStride() + 1];
    assertEquals(
        List.of(scored.block(1), copy), Arrays.stream(plan.blockCopies()).boxed().toList());
    assertEquals(3, scored.nextContinuation());
    scheduler.remove(scored);
    assertTrue(scheduler.plan().isEmpty());
    assertEquals(64, pool.available());
  }

  @Test
  void withoutFreeBlocksContinuationsRunOneAfterTheOther() {
    BlockPool small = new BlockPool(2, BLOCK, true);
    Scheduler tight = new Scheduler(new Scheduler.Limits(4, 16, 8, 8), small);
    Sequence scored = new Sequence(prompt(0, 6), List.of(new int[] {1, 2, 3}, new int[] {5, 6}));
    tight.add(scored);
    tight.plan();
    assertEquals(List.of(2), rowsOf(tight.plan()));
    assertEquals(List.of(1), rowsOf(tight.plan()));
    assertEquals(2, scored.nextContinuation());
  }

  @Test
  void aContinuationLongerThanAStepIsComputedInPieces() {
    Sequence scored = new Sequence(prompt(0, 3), List.of(prompt(5, 20), new int[] {1, 2}));
    scheduler.add(scored);
    scheduler.plan();
    assertEquals(List.of(8), rowsOf(scheduler.plan()));
    assertEquals(List.of(8), rowsOf(scheduler.plan()));
    assertEquals(List.of(3, 1), rowsOf(scheduler.plan()));
  }

  @Test
  void cancellingFreesBlocksWhetherRunningOrWaiting() {
    List<Sequence> all = IntStream.range(0, 6).mapToObj(i -> sequence(i, 9)).toList();
    all.forEach(scheduler::add);
    scheduler.plan();
    assertTrue(pool.available() < 64);
    all.forEach(scheduler::remove);
    assertEquals(64, pool.available());
    assertTrue(scheduler.plan().isEmpty());
  }

  @Test
  void aWaiterGoesOnWhenTheOneItWaitsForIsCancelled() {
    int[] shared = prompt(0, 24);
    Sequence first = new Sequence(concat(shared, 50), List.of());
    Sequence second = new Sequence(concat(shared, 51), List.of());
    scheduler.add(first);
    scheduler.add(second);
    scheduler.plan();
    scheduler.remove(first);
    BatchPlan plan = scheduler.plan();
    assertFalse(plan.isEmpty());
    assertEquals(16, second.reusedTokens(), "what was computed before is kept");
  }

  @Test
  void aDraftIsComputedWithTheNewestTokenAndAllOfItsLogits() {
    Sequence drafted = sequence(0, 6);
    Sequence other = sequence(1, 2);
    decode(scheduler, drafted, other);
    drafted.draft(new int[] {40, 41, 42});
    BatchPlan plan = scheduler.plan();
    assertEquals(List.of(4, 1), rowsOf(plan));
    assertEquals(List.of(7, 40, 41, 42, 7), Arrays.stream(plan.tokenIds()).boxed().toList());
    assertEquals(List.of(6, 7, 8, 9, 2), Arrays.stream(plan.positions()).boxed().toList());
    assertEquals(List.of(0, 1, 2, 3, 4), Arrays.stream(plan.logitRows()).boxed().toList());
    assertEquals(3, plan.drafts());
    assertTrue(plan.decodes(0) && plan.decodes(1));
    assertEquals(7, drafted.computed(), "drafts count when they are confirmed");
    drafted.append(40);
    drafted.confirm();
    drafted.append(50);
    other.append(1);
    BatchPlan next = scheduler.plan();
    assertEquals(List.of(1, 1), rowsOf(next), "a draft is for one step");
    assertEquals(List.of(50, 1), Arrays.stream(next.tokenIds()).boxed().toList());
    assertEquals(List.of(8, 3), Arrays.stream(next.positions()).boxed().toList());
  }

  @Test
  void draftsShareTheLogitRowsOfAStep() {
    Sequence first = sequence(0, 3);
    Sequence second = sequence(1, 3);
    decode(scheduler, first, second);
    first.draft(prompt(5, 6));
    second.draft(prompt(6, 6));
    assertEquals(List.of(7, 3), rowsOf(scheduler.plan()), "8 beside one for each row");
  }

  @Test
  void aDraftTakesWhatBlocksThereAreAndGivesThemBack() {
    BlockPool small = new BlockPool(5, BLOCK, true);
    Scheduler tight = new Scheduler(new Scheduler.Limits(4, 16, 8, 8), small);
    Sequence old = sequence(0, 7);
    Sequence young = sequence(1, 7);
    decode(tight, old, young);
    old.draft(prompt(5, 8));
    young.draft(prompt(6, 8));
    assertEquals(List.of(5, 1), rowsOf(tight.plan()), "one free block, for four tokens");
    assertEquals(0, small.available());
    assertEquals(0, tight.preemptions(), "nobody is put back for a draft");
    old.append(20);
    young.append(30);
    old.draft(prompt(5, 8));
    BatchPlan plan = tight.plan();
    assertEquals(1, tight.preemptions(), "the youngest went back for its own token's block");
    assertEquals(List.of(9), rowsOf(plan), "and left two");
    tight.remove(old);
    tight.remove(young);
    assertEquals(5, small.available());
  }

  @Test
  void refusedTokensAreNeverPartOfAPrefix() {
    Sequence first = sequence(0, 6);
    decode(scheduler, first);
    first.draft(new int[] {8, 9, 10, 11, 12});
    scheduler.plan();
    first.append(8);
    first.confirm();
    first.append(20); // instead of 9
    scheduler.plan();
    scheduler.remove(first);
    // Known are tokens 0-3 and 4, 5, 7, 8; what was refused was never known.
    Sequence refused = new Sequence(concat(prompt(0, 6), 7, 8, 9, 10, 11, 12, 1), List.of());
    Sequence chosen = new Sequence(concat(prompt(0, 6), 7, 8, 20, 21), List.of());
    scheduler.add(refused);
    scheduler.add(chosen);
    scheduler.plan();
    assertEquals(8, refused.reusedTokens());
    assertEquals(8, chosen.reusedTokens());
  }

  /** Brings sequences to where they go on by their next token, a 7. */
  private static void decode(Scheduler scheduler, Sequence... sequences) {
    for (Sequence sequence : sequences) {
      scheduler.add(sequence);
    }
    scheduler.plan();
    for (Sequence sequence : sequences) {
      sequence.append(7);
    }
  }

  private static Sequence sequence(int seed, int length) {
    return new Sequence(prompt(seed, length), List.of());
  }

  private static int[] prompt(int seed, int length) {
    return IntStream.range(0, length).map(i -> seed * 100 + i).toArray();
  }

  private static int[] concat(int[] head, int... tail) {
    int[] all = Arrays.copyOf(head, head.length + tail.length);
    System.arraycopy(tail, 0, all, head.length, tail.length);
    return all;
  }

  private static List<Integer> rowsOf(BatchPlan plan) {
    return plan.parts().stream().map(BatchPlan.Part::rows).toList();
  }
}
