package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which tokens of a step are scored, and what becomes of what a device says of them. */
class StepScoresTest {
  private static final int VOCABULARY = 300;
  private static final int MOST_TOKENS = 16;

  /** Of a prompt with three continuations, a row that is not scored, and two continuations. */
  private static BatchPlan plan() {
    BatchPlanBuilder step = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
    Sequence scored = sequence(List.of(new int[] {7}, new int[] {8, 9}, new int[] {7, 1}));
    step.add(scored, 5);
    step.add(sequence(List.of()), 5);
    Sequence later = sequence(List.of(new int[] {20, 21, 22, 23}, new int[] {30, 31}));
    step.addContinuation(later, 0, 1, 2, new int[] {4});
    step.addContinuation(later, 1, 0, 1, new int[] {5});
    return step.build();
  }

  private static Sequence sequence(List<int[]> continuations) {
    Sequence sequence = new Sequence(new int[] {1, 2, 3, 4, 5}, continuations);
    sequence.addBlock(0);
    return sequence;
  }

  /** Token and logit row of each score. */
  private static final int[][] EXPECTED = {
    {7, 0}, {8, 0}, {7, 0}, {22, 2}, {23, 3}, {31, 4},
  };

  @Test
  void partsSayWhatIsScoredAndWhenTheirSequenceIsDone() {
    BatchPlan plan = plan();
    List<int[]> pairs = new ArrayList<>();
    List<Boolean> ends = new ArrayList<>();
    for (BatchPlan.Part part : plan.parts()) {
      for (int i = 0; i < part.scored(); i++) {
        pairs.add(new int[] {part.scoredToken(i), part.scoredRow(i)});
      }
      ends.add(part.endsScoring());
    }
    assertEquals(EXPECTED.length, plan.scored());
    for (int i = 0; i < EXPECTED.length; i++) {
      assertEquals(Arrays.toString(EXPECTED[i]), Arrays.toString(pairs.get(i)));
    }
    assertEquals(List.of(false, false, false, true), ends);
  }

  @Test
  void aPromptWithFirstTokensAloneIsDoneWithItsLastRow() {
    BatchPlanBuilder step = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
    step.add(sequence(List.of(new int[] {7}, new int[] {8})), 4);
    assertEquals(0, step.build().scored());
    step = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
    step.add(sequence(List.of(new int[] {7}, new int[] {8})), 5);
    assertTrue(step.build().parts().get(0).endsScoring());
  }

  @Test
  void scoresAreThoseOfTheHost() {
    assertScores(StepScores.ROUND, 1);
  }

  /** A step with more than a round's tokens waits for all rounds but the last. */
  @Test
  void roundsGiveTheSameScores() {
    assertScores(4, 2);
    assertScores(3, 2);
    assertScores(2, 3);
    assertScores(1, 6);
  }

  private static void assertScores(int round, int copies) {
    LateDevice device = new LateDevice();
    Backend backend = device.backend();
    try (StepTransfers transfers = transfers(device, backend)) {
      BatchPlan plan = plan();
      float[][] logits = logits(plan.logitRows().length);
      StepScores scores = new StepScores(backend, transfers, round);
      for (int step = 0; step < 4; step++) { // memory takes turns
        transfers.begin();
        StepPass pass = StepPass.of(plan, 16).get(0);
        StepScores.Scores scored = scores.queue(plan, pass, tensor(backend, logits));
        transfers.fetch(backend.ints(4, "tokens"), 2).await();
        for (int i = 0; i < EXPECTED.length; i++) {
          float[] row = logits[EXPECTED[i][1]];
          double expected = row[EXPECTED[i][0]] - LogProbs.logSumExp(row);
          assertEquals(expected, scored.get(i), 1e-6, "round " + round + ", score " + i);
        }
      }
      assertEquals(4 * copies, transfers.counts().copiesIn());
      assertEquals(4 * (copies + 1), transfers.counts().copiesOut());
    }
  }

  @Test
  void rowsThatAreNoNumbersSayNothingOfOthers() {
    LateDevice device = new LateDevice();
    Backend backend = device.backend();
    try (StepTransfers transfers = transfers(device, backend)) {
      BatchPlan plan = plan();
      float[][] logits = logits(plan.logitRows().length);
      logits[2][5] = Float.NaN;
      Arrays.fill(logits[3], Float.NEGATIVE_INFINITY);
      logits[4][31] = Float.NEGATIVE_INFINITY;
      transfers.begin();
      StepPass pass = StepPass.of(plan, 16).get(0);
      StepScores.Scores scored =
          new StepScores(backend, transfers).queue(plan, pass, tensor(backend, logits));
      transfers.fetch(backend.ints(4, "tokens"), 2).await();
      assertTrue(Double.isFinite(scored.get(0)));
      assertTrue(Double.isNaN(scored.get(3)));
      assertTrue(Double.isNaN(scored.get(4)));
      assertEquals(Double.NEGATIVE_INFINITY, scored.get(5));
    }
  }

  @Test
  void aStepThatScoresNothingCopiesNothing() {
    LateDevice device = new LateDevice();
    Backend backend = device.backend();
    try (StepTransfers transfers = transfers(device, backend)) {
      BatchPlanBuilder step = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
      step.add(sequence(List.of()), 5);
      BatchPlan plan = step.build();
      transfers.begin();
      StepScores scores = new StepScores(backend, transfers);
      StepPass pass = StepPass.of(plan, 16).get(0);
      assertNull(scores.queue(plan, pass, tensor(backend, logits(1))));
      assertEquals(new StepTransfers.Counts(0, 0, 0, 0), transfers.counts());
    }
  }

  private static StepTransfers transfers(LateDevice device, Backend backend) {
    int asked = StepScores.ASKED * StepScores.ROUND;
    int terms = StepScores.TERM * StepScores.ROUND;
    return new StepTransfers(backend, device, asked, MOST_TOKENS, terms);
  }

  private static float[][] logits(int rows) {
    Random random = new Random(5);
    float[][] logits = new float[rows][VOCABULARY];
    for (float[] row : logits) {
      for (int i = 0; i < VOCABULARY; i++) {
        row[i] = (float) random.nextGaussian() * 4;
      }
    }
    return logits;
  }

  private static Tensor tensor(Backend backend, float[][] logits) {
    Tensor tensor = backend.exact(logits.length, VOCABULARY, "logits");
    for (int row = 0; row < logits.length; row++) {
      backend.write(tensor, (long) row * VOCABULARY, logits[row], 0, VOCABULARY);
    }
    return tensor;
  }
}
