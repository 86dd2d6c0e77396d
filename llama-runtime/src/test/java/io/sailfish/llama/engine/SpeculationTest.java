package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.Test;

/** What is drafted follows from what it would gain: steps of given times over a fake model. */
class SpeculationTest {
  private static final int CONTEXT = 4000;
  private static final int[] CIRCLE = {10, 11, 12, 13, 14, 15, 10, 11, 12};

  private static final Speculation.Steps STEPS =
      new Speculation.Steps(false, rows -> rows, 0, () -> 0);

  /** Drafted and accepted tokens, and time, of the second half of an answer of 3,000 tokens. */
  private record Outcome(long drafted, long accepted, long nanos) {}

  @Test
  void aTextThatRepeatsItselfIsDraftedWhereRowsAreCheap() {
    IntToLongFunction cheap = rows -> 1_000 + 10L * rows;
    Outcome on = run(Drafting.ON, 0, cheap);
    Outcome off = run(Drafting.OFF, 0, cheap);
    assertTrue(on.accepted() > 1_200, on.toString());
    assertTrue(on.nanos() * 6 < off.nanos(), on + " instead of " + off);
  }

  @Test
  void whereRowsCostTheirFullPriceHardlyAnythingIsDrafted() {
    IntToLongFunction dear = rows -> 1_000L * rows;
    Outcome on = run(Drafting.ON, 0, dear);
    Outcome off = run(Drafting.OFF, 0, dear);
    assertEquals(0, off.drafted());
    assertTrue(on.nanos() < off.nanos() * 1.02, on + " instead of " + off);
  }

  @Test
  void aTextThatDoesNotRepeatItselfLosesNothing() {
    IntToLongFunction half = rows -> 1_000 + 500L * rows;
    Outcome on = run(Drafting.ON, 1, half);
    Outcome off = run(Drafting.OFF, 1, half);
    assertTrue(on.nanos() < off.nanos() * 1.02, on + " instead of " + off);
  }

  @Test
  void rowsThatBeganDearAreTriedAgain() {
    long[] calls = {0};
    // As where code is still being compiled: the first steps of several rows take very long.
    Outcome on = run(Drafting.ON, 0, rows -> rows > 1 && calls[0]++ < 3 ? 1_000_000 : 1_000);
    assertTrue(on.accepted() > 1_200, on.toString());
  }

  @Test
  void nothingIsDraftedBesidePromptsAndForLargeBatches() {
    Scheduler scheduler = scheduler(64);
    Map<Sequence, Row> rows = new HashMap<>();
    Speculation speculation = new Speculation(config(Drafting.ALWAYS), STEPS);
    for (int i = 0; i < Speculation.MOST_ROWS; i++) {
      add(scheduler, rows, CIRCLE);
      step(scheduler);
    }
    assertTrue(speculation.pays(scheduler, rows));
    Sequence prompt = add(scheduler, rows, new int[] {1, 2, 3});
    assertFalse(speculation.pays(scheduler, rows), "a row can be admitted");
    step(scheduler);
    assertFalse(speculation.pays(scheduler, rows), "a row too many");
    scheduler.remove(prompt);
    assertTrue(speculation.pays(scheduler, rows));
    speculation.propose(scheduler, rows);
    BatchPlan plan = scheduler.plan();
    assertEquals(32, plan.drafts(), "as many logit rows as a step has beside those of its rows");
    int most = plan.parts().stream().mapToInt(BatchPlan.Part::drafts).max().getAsInt();
    assertTrue(most <= 2, "every row has its share, and one has " + most);
  }

  @Test
  void aSettingThatThereIsNotIsRefused() {
    assertEquals(Drafting.AUTO, Drafting.of("auto"));
    assertEquals(Drafting.OFF, Drafting.of("off"));
    assertEquals(Drafting.ON, Drafting.of("on"));
    RuntimeFailure failure = assertThrows(RuntimeFailure.class, () -> Drafting.of("yes"));
    assertTrue(failure.getMessage().contains("spark.sailfish.engine.speculation=yes"));
  }

  private static Outcome run(Drafting drafting, int surprise, IntToLongFunction stepNanos) {
    EngineConfig config = config(drafting);
    Scheduler scheduler = scheduler(1);
    Map<Sequence, Row> rows = new HashMap<>();
    Sequence sequence = add(scheduler, rows, CIRCLE);
    EngineCounters counters = new EngineCounters();
    Speculation speculation = new Speculation(config, STEPS);
    StepOutputs outputs =
        new StepOutputs(
            config,
            new FakeModel(1, 16),
            counters,
            rows,
            new StepOutputs.Ends() {
              @Override
              public void finished(Row row, GenerationResult.Finish finish) {
                rows.remove(row.sequence);
              }

              @Override
              public void failed(Row row, RuntimeFailure failure) {
                throw failure;
              }
            });
    Outcome half = null;
    long nanos = 0;
    while (!rows.isEmpty()) {
      if (half == null && sequence.length() > 1_500) {
        half = new Outcome(counters.draftedTokens, counters.acceptedTokens, nanos);
      }
      speculation.propose(scheduler, rows);
      BatchPlan plan = scheduler.plan();
      int decoding = EngineCounters.decoding(plan);
      long took = stepNanos.applyAsLong(plan.rows());
      nanos += took;
      long accepted = counters.acceptedTokens;
      outputs.apply(plan, logits(plan, sequence, surprise), new StepUse(1, 1, 0, 0, 0));
      speculation.measured(plan, decoding, counters.acceptedTokens - accepted, took);
    }
    return new Outcome(
        counters.draftedTokens - half.drafted(),
        counters.acceptedTokens - half.accepted(),
        nanos - half.nanos());
  }

  /** As {@link FakeModel} has them, but of the last tokens alone, so that answers may be long. */
  private static StepExecutor.Logits logits(BatchPlan plan, Sequence sequence, int surprise) {
    return (index, dst) -> {
      int row = plan.logitRows()[index];
      int[] last = {plan.positions()[row], plan.tokenIds()[row]};
      System.arraycopy(FakeModel.logits(last, 2, surprise), 0, dst, 0, dst.length);
    };
  }

  private static Sequence add(Scheduler scheduler, Map<Sequence, Row> rows, int[] prompt) {
    GenerationRequest request =
        GenerationRequest.generate(prompt.clone(), SamplingParams.greedy(3_000));
    Row row = new Row(Row.Key.of(request), new Ticket(request, t -> {}), new LetterTokenizer());
    rows.put(row.sequence, row);
    scheduler.add(row.sequence);
    return row.sequence;
  }

  private static void step(Scheduler scheduler) {
    for (BatchPlan.Part part : scheduler.plan().parts()) {
      part.sequence().append(13);
    }
  }

  private static Scheduler scheduler(int rows) {
    return new Scheduler(
        new Scheduler.Limits(rows, 64, 64, 32), new BlockPool(CONTEXT / 4, 16, false));
  }

  private static EngineConfig config(Drafting drafting) {
    return new EngineConfig(
        "fake", 64, "test", CONTEXT, CONTEXT / 4, 16, 1, 64, 64, false, Set.of(), drafting);
  }
}
