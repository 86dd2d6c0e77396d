package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaStream;
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

  /** Integer tensors of a pass (StepBuffers), and the block tables of the step. */
  private static final int INPUTS = 7;

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
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    CudaBackend backend = CudaBackend.open(0);
    EngineConfig config =
        new EngineConfig(
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
    LlamaExecutor executor;
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      executor = new LlamaExecutor(checkpoint.config(), weights, backend, config);
    }
    CudaStream stream = backend.stream();
    CudaStream.Copies before = stream.copies();
    EngineMetrics metrics;
    try (Engine engine = Engine.start(executor, new LetterTokenizer(), config)) {
      IntStream.range(0, ROWS)
          .mapToObj(i -> engine.submit(GenerationRequest.generate(new int[] {i, 1, 2, 3}, params)))
          .toList()
          .forEach(Ticket::join);
      metrics = engine.metrics();
    }
    CudaStream.Copies copies = stream.copies().since(before);
    assertEquals(ROWS * TOKENS, metrics.outputTokens());
    assertEquals(metrics.steps(), copies.out(), "one copy back a step");
    assertTrue(copies.outBytes() <= metrics.steps() * 2 * ROWS * Integer.BYTES, copies::toString);
    // A step with prompts and answers has two passes.
    assertTrue(copies.in() <= 2L * INPUTS * metrics.steps() + choices, copies::toString);
    int inputs = Integer.BYTES * (INPUTS * ROWS * 4 + ROWS * 2 * CONTEXT);
    assertTrue(
        copies.inBytes() <= metrics.steps() * (long) inputs + choices * CHOICES, copies::toString);
  }
}
