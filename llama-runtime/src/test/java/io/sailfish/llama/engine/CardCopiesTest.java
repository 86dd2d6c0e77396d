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

  /** Stands for rows that are scored. */
  private static final SamplingParams SCORED = SamplingParams.greedy(1);

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

  /** Of a token that is scored four integers come back, and two go there: no logits. */
  @Test
  void aStepThatScoresTakesNoLogitsBack() {
    Run run = run(SCORED, true);
    EngineMetrics metrics = run.metrics();
    CudaStream.Copies copies = run.copies();
    assertEquals(ROWS * (3 + 1), metrics.scoredTokens(), "two first tokens, two others");
    assertEquals(run.asked().copiesOut(), copies.out(), "nothing else comes back");
    assertEquals(Integer.BYTES * run.asked().intsOut(), copies.outBytes());
    assertEquals(run.asked().copiesIn(), copies.in(), "nothing else goes to the card");
    assertEquals(Integer.BYTES * run.asked().intsIn(), copies.inBytes());
    long tokens = metrics.steps() * 2 * ROWS * Integer.BYTES;
    long terms = StepScores.TERM * metrics.scoredTokens() * Integer.BYTES;
    assertTrue(copies.outBytes() <= tokens + terms, copies::toString);
    assertTrue(copies.out() <= 2 * metrics.steps(), copies::toString);
  }

  @Test
  void whatACardScoresIsWhatItsLogitsSay() {
    Card.assume();
    CudaBackend backend = CudaBackend.open(0);
    try (LlamaExecutor executor = executor(backend)) {
      List<int[]> continuations = List.of(new int[] {5, 6, 7, 8}, new int[] {300, 2});
      Sequence sequence = new Sequence(new int[] {9, 8, 7}, continuations);
      sequence.addBlock(0);
      BatchPlanBuilder prompt = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
      prompt.add(sequence, 3);
      assertScores(prompt.build(), executor);
      BatchPlanBuilder rest = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
      rest.addContinuation(sequence, 0, 0, 3, new int[] {0});
      assertScores(rest.build(), executor);
    }
  }

  private static void assertScores(BatchPlan plan, LlamaExecutor executor) {
    StepExecutor.Logits output = executor.execute(plan);
    float[] logits = new float[executor.vocabulary()];
    int scored = 0;
    for (BatchPlan.Part part : plan.parts()) {
      for (int i = 0; i < part.scored(); i++, scored++) {
        output.read(part.scoredRow(i), logits);
        double expected = logits[part.scoredToken(i)] - LogProbs.logSumExp(logits);
        assertEquals(expected, output.logProb(scored), 1e-6, "score " + scored);
      }
    }
    assertTrue(scored > 0);
  }

  @Test
  void aHostThatLocksNoPagesGivesTheSameAnswers() {
    for (SamplingParams params : new SamplingParams[] {SamplingParams.greedy(TOKENS), SCORED}) {
      assertEquals(run(params, true).answers(), run(params, false).answers());
    }
  }

  private static LlamaExecutor executor(CudaBackend backend) {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      return new LlamaExecutor(checkpoint.config(), weights, backend, config(backend));
    }
  }

  private static Run run(SamplingParams params, boolean locksPages) {
    Card.assume();
    CudaBackend backend = CudaBackend.open(0);
    if (!locksPages) {
      backend.stream().device().lockNoPages();
    }
    EngineConfig config = config(backend);
    LlamaExecutor executor = executor(backend);
    CudaStream stream = backend.stream();
    CudaStream.Copies before = stream.copies();
    try (Engine engine = Engine.start(executor, new LetterTokenizer(), config)) {
      List<Ticket> tickets =
          IntStream.range(0, ROWS).mapToObj(i -> engine.submit(request(i, params))).toList();
      List<String> answers =
          tickets.stream().map(ticket -> SameAnswerTest.bits(ticket.join())).toList();
      return new Run(
          answers, engine.metrics(), executor.transfers(), stream.copies().since(before));
    }
  }

  private static GenerationRequest request(int row, SamplingParams params) {
    int[] prompt = {row, 1, 2, 3};
    return params == SCORED
        ? GenerationRequest.score(prompt, List.of(new int[] {4, 5, 6}, new int[] {7}))
        : GenerationRequest.generate(prompt, params);
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
