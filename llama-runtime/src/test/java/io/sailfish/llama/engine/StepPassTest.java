package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class StepPassTest {
  private static final int BLOCK = 4;

  private final BlockPool pool = new BlockPool(64, BLOCK, true, true);

  private static int[] prompt(int start, int length) {
    return IntStream.range(start, start + length).toArray();
  }

  /** A sequence with {@code computed} of its tokens in the cache. */
  private Sequence sequence(int promptTokens, int answerTokens, int computed) {
    Sequence sequence = new Sequence(prompt(100 * promptTokens, promptTokens), List.of());
    for (int i = 0; i < answerTokens; i++) {
      sequence.append(i);
    }
    while (sequence.numBlocks() * BLOCK < sequence.length()) {
      sequence.addBlock(pool.take());
    }
    sequence.advance(computed, pool);
    return sequence;
  }

  private static List<String> describe(List<StepPass> passes) {
    return passes.stream()
        .map(
            p ->
                "%s rows %s logits %s at %s"
                    .formatted(
                        p.kind(),
                        Arrays.toString(p.rows()),
                        Arrays.toString(p.logits()),
                        Arrays.toString(p.logitPlaces())))
        .toList();
  }

  @Test
  void decodingRowsComeFirstThenPromptsThenAnswersAgain() {
    BatchPlanBuilder step = new BatchPlanBuilder(BLOCK);
    step.add(sequence(5, 1, 5), 1); // row 0: goes on
    step.add(sequence(3, 0, 0), 3); // rows 1 to 3: a prompt
    step.add(sequence(2, 3, 0), 5); // rows 4 to 8: put back with three tokens of its answer
    step.add(sequence(6, 2, 7), 1); // row 9: goes on
    step.add(sequence(9, 0, 4), 2); // rows 10, 11: a piece of a prompt
    assertEquals(
        List.of(
            "DECODE rows [0, 9] logits [0, 3] at [0, 1]",
            "PROMPT rows [1, 2, 3, 4, 5, 10, 11] logits [1] at [2]",
            "AGAIN rows [6, 7, 8] logits [2] at [2]"),
        describe(StepPass.of(step.build(), 16)));
  }

  @Test
  void aLastPromptTokenByItselfIsStillAPromptRow() {
    BatchPlanBuilder step = new BatchPlanBuilder(BLOCK);
    step.add(sequence(5, 0, 4), 1);
    step.add(sequence(5, 1, 5), 1);
    assertEquals(
        List.of("DECODE rows [1] logits [1] at [0]", "PROMPT rows [0] logits [0] at [0]"),
        describe(StepPass.of(step.build(), 16)));
  }

  @Test
  void continuationsThatAreScoredAreComputedAsPrompts() {
    Sequence sequence = new Sequence(prompt(0, 5), List.of(new int[] {1, 2, 3}));
    sequence.addBlock(pool.take());
    sequence.addBlock(pool.take());
    sequence.advance(5, pool);
    BatchPlanBuilder step = new BatchPlanBuilder(BLOCK);
    step.addContinuation(sequence, 0, 0, 2, step.blockTable(sequence, 7));
    assertEquals(
        List.of("PROMPT rows [0, 1] logits [0, 1] at [0, 1]"),
        describe(StepPass.of(step.build(), 16)));
  }

  @Test
  void manyDecodingRowsAreSliced() {
    BatchPlanBuilder step = new BatchPlanBuilder(BLOCK);
    for (int i = 0; i < 5; i++) {
      step.add(sequence(1, 1, 1), 1);
    }
    List<StepPass> passes = StepPass.of(step.build(), 2);
    List<Integer> logits = new ArrayList<>();
    for (StepPass pass : passes) {
      IntStream.of(pass.logits()).forEach(logits::add);
    }
    assertEquals(3, passes.size());
    assertArrayEquals(new int[] {4}, passes.get(2).rows());
    assertEquals(List.of(0, 1, 2, 3, 4), logits);
  }

  @Test
  void fewTableWidthsServeAllLengths() {
    assertEquals(16, LlamaExecutor.replayStride(1));
    assertEquals(16, LlamaExecutor.replayStride(16));
    assertEquals(48, LlamaExecutor.replayStride(40));
    assertEquals(8192, LlamaExecutor.replayStride(8192));
    int different = 0;
    int last = 0;
    for (int blocks = 1; blocks <= 8192; blocks++) {
      int stride = LlamaExecutor.replayStride(blocks);
      assertEquals(true, stride >= blocks && stride >= last, "blocks " + blocks);
      different += stride == last ? 0 : 1;
      last = stride;
    }
    assertEquals(true, different < 64, different + " widths");
  }

  @Test
  void onlyPromptsAreSharedWhereAnswersHaveOtherBits() {
    int[] prompt = prompt(0, 8);
    Sequence first = new Sequence(prompt, List.of());
    Scheduler scheduler = new Scheduler(new Scheduler.Limits(4, 32, 8, 8), pool);
    scheduler.add(first);
    scheduler.plan();
    for (int token = 50; token < 60; token++) {
      first.append(token);
      scheduler.plan();
    }
    // A prompt that goes on with the answer of the first: only the first's prompt is taken.
    int[] longer = Arrays.copyOf(first.tokens(), 18);
    Sequence second = new Sequence(longer, List.of());
    scheduler.add(second);
    scheduler.plan();
    assertEquals(8, second.reusedTokens());
    // The other way round: an answer that somebody else's prompt spells is computed again.
    Sequence third = new Sequence(prompt, List.of());
    for (int token = 50; token < 60; token++) {
      third.append(token);
    }
    scheduler.add(third);
    scheduler.plan();
    assertEquals(8, third.reusedTokens());
  }
}
