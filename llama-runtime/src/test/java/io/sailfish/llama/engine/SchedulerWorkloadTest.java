package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Random arrivals, cancellations and ends, step by step: limits hold and no block is lost. */
class SchedulerWorkloadTest {
  private static final int BLOCK = 4;
  private static final int CONTEXT = 60;

  @Test
  void limitsHoldAndAllBlocksComeBack() {
    int preemptions = 0;
    for (int seed = 0; seed < 1000; seed++) {
      preemptions += run(new Random(seed));
    }
    assertTrue(preemptions > 100, "the workloads are meant to fill the cache: " + preemptions);
  }

  private static long run(Random random) {
    int blocks = CONTEXT / BLOCK + random.nextInt(20);
    Scheduler.Limits limits =
        new Scheduler.Limits(1 + random.nextInt(8), 8 * (1 + random.nextInt(3)), 8, 6);
    BlockPool pool = new BlockPool(blocks, BLOCK, random.nextBoolean());
    Scheduler scheduler = new Scheduler(limits, pool);
    FakeModel model = new FakeModel(blocks, BLOCK);
    List<Sequence> alive = new ArrayList<>();
    int arrivals = 1 + random.nextInt(15);
    for (int steps = 0; arrivals > 0 || !alive.isEmpty(); steps++) {
      assertTrue(steps < 5000, "no progress");
      while (arrivals > 0 && random.nextInt(3) > 0) {
        Sequence sequence = sequence(random);
        alive.add(sequence);
        scheduler.add(sequence);
        arrivals--;
      }
      for (Sequence sequence : scheduler.onlyDecoding(limits.rows())) {
        sequence.draft(
            new int[random.nextInt(Math.max(1, Math.min(9, CONTEXT - sequence.length())))]);
      }
      BatchPlan plan = scheduler.plan();
      assertEquals(alive.isEmpty(), plan.isEmpty());
      if (!plan.isEmpty()) {
        assertTrue(plan.rows() <= limits.stepRows(), "rows of a step");
        assertTrue(plan.logitRows().length <= limits.logitRows(), "logit rows of a step");
        assertTrue(scheduler.numRunning() <= limits.rows(), "sequences running");
        model.execute(plan);
        advance(plan, scheduler, alive, random);
      }
    }
    assertTrue(scheduler.plan().isEmpty());
    assertEquals(blocks, pool.available());
    return scheduler.preemptions();
  }

  private static void advance(
      BatchPlan plan, Scheduler scheduler, List<Sequence> alive, Random random) {
    for (BatchPlan.Part part : plan.parts()) {
      Sequence sequence = part.sequence();
      boolean scored =
          sequence.scores() && (sequence.nextContinuation() == sequence.continuations().size());
      boolean cancelled = random.nextInt(60) == 0;
      boolean full = sequence.length() >= CONTEXT;
      boolean generated = part.logits() > 0 && !sequence.scores();
      if (!alive.contains(sequence)) {
        continue;
      }
      if (scored || cancelled || (generated && (full || random.nextInt(20) == 0))) {
        scheduler.remove(sequence);
        alive.remove(sequence);
      } else if (generated) {
        for (int accepted = random.nextInt(1 + part.drafts()); accepted > 0; accepted--) {
          sequence.append(0);
          sequence.confirm();
        }
        sequence.append(random.nextInt(3));
      }
    }
    if (!alive.isEmpty() && random.nextInt(20) == 0) {
      scheduler.remove(alive.remove(random.nextInt(alive.size())));
    }
  }

  private static Sequence sequence(Random random) {
    // Few different tokens, so that prefixes are shared often.
    int[] prompt =
        IntStream.range(0, 1 + random.nextInt(45)).map(i -> i / 20 * random.nextInt(2)).toArray();
    List<int[]> continuations = new ArrayList<>();
    if (random.nextInt(3) == 0) {
      for (int i = random.nextInt(4); i >= 0; i--) {
        continuations.add(new int[2 + random.nextInt(12)]);
      }
    }
    return new Sequence(prompt, continuations);
  }
}
