package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.llama.Card;
import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The copies between host and card that docs/memory.md names, and no others. */
@Tag("gpu")
class CardCopiesTest {
  private static final int CONTEXT = 128;
  private static final int ROWS = 16;
  private static final int TOKENS = 40;

  /** Bytes that say how the rows of a step are chosen. */
  private static final long CHOICES = ROWS * TokenChoice.PACKED * Integer.BYTES;

  /** Integers of a row of a pass (StepBuffers). */
  private static final int INPUTS = 6;

  private record Run(
      List<String> answers,
      EngineMetrics metrics,
      StepTransfers.Counts asked,
      CudaStream.Copies copies) {}

  @Test
  void aGreedyStepTakesItsInputsThereAndItsTokensBack() {
    assertCopies(SamplingParams.greedy(TOKENS), 0);
  }

  /** How rows are chosen goes there when it changes: for the prompts, then for the answers. */
  @Test
  void aSampledStepTakesNoLogitsBackEither() {
    assertCopies(new SamplingParams(TOKENS, 0.8f, 20, 0.9f, 0f, 1.1f, 3, List.of()), 2 * ROWS);
  }

  /**
   * @param choices copies that say how rows are chosen, at most
   */
  private static void assertCopies(SamplingParams params, int choices) {
    Run run = run(params, true);
    EngineMetrics metrics = run.metrics();
    CudaStream.Copies copies = run.copies();
    StepTransfers.Counts asked = run.asked();
    assertEquals(ROWS * TOKENS, metrics.outputTokens());
    long more = copies.in() - asked.copiesIn();
    assertTrue(more >= 0 && more <= choices, "nothing else goes to the card: " + more);
    long moreBytes = copies.inBytes() - Integer.BYTES * asked.intsIn();
    assertTrue(moreBytes >= 0 && moreBytes <= choices * CHOICES, "bytes: " + moreBytes);
    assertEquals(asked.copiesOut(), copies.out(), "nothing else comes back");
    assertEquals(Integer.BYTES * asked.intsOut(), copies.outBytes());
    assertEquals(metrics.steps(), copies.out(), "one copy back a step");
    assertTrue(copies.outBytes() <= metrics.steps() * 2 * ROWS * Integer.BYTES, copies::toString);
    // Block tables, and one copy a pass: a step with prompts and answers has two.
    assertTrue(asked.copiesIn() >= 2 * metrics.steps(), asked::toString);
    assertTrue(asked.copiesIn() <= 3 * metrics.steps(), asked::toString);
    int inputs = INPUTS * ROWS * 4 + ROWS * 2 * CONTEXT;
    assertTrue(asked.intsIn() <= metrics.steps() * (long) inputs, asked::toString);
  }

  @Test
  void aHostThatLocksNoPagesGivesTheSameAnswers() {
    Run locked = run(SamplingParams.greedy(TOKENS), true);
    Run plain = run(SamplingParams.greedy(TOKENS), false);
    assertEquals(locked.answers(), plain.answers());
  }

  private static Run run(SamplingParams params, boolean locksPages) {
    Card.assume();
    CudaBackend backend = CudaBackend.open(0);
    if (!locksPages) {
      backend.stream().device().lockNoPages();
    }
    EngineConfig config = config(backend);
    LlamaExecutor executor;
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      executor = new LlamaExecutor(checkpoint.config(), weights, backend, config);
    }
    CudaStream stream = backend.stream();
    CudaStream.Copies before = stream.copies();
    try (Engine engine = Engine.start(executor, new LetterTokenizer(), config)) {
      List<Ticket> tickets =
          IntStream.range(0, ROWS).mapToObj(i -> engine.submit(request(i, params))).toList();
      List<String> answers =
          tickets.stream().map(ticket -> Arrays.toString(ticket.join().tokens())).toList();
      return new Run(
          answers, engine.metrics(), executor.transfers(), stream.copies().since(before));
    }
  }

  private static GenerationRequest request(int row, SamplingParams params) {
    return GenerationRequest.generate(new int[] {row, 1, 2, 3}, params);
  }

  private static EngineConfig config(CudaBackend backend) {
    return new EngineConfig(
        "copies",
        ROWS,
        "test",
        CONTEXT,
        ROWS * CONTEXT / LlamaEngine.BLOCK_TOKENS,
        LlamaEngine.BLOCK_TOKENS,
        1,
        4096,
        backend.promptCut(),
        false,
        Set.of(),
        Drafting.OFF);
  }
}
