package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
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

  /** Integer tensors of a pass (StepBuffers), and the block tables of the step. */
  private static final int INPUTS = 7;

  @Test
  void aGreedyStepTakesItsInputsThereAndItsTokensBack() {
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
          .mapToObj(
              i ->
                  engine.submit(
                      GenerationRequest.generate(
                          new int[] {i, 1, 2, 3}, SamplingParams.greedy(TOKENS))))
          .toList()
          .forEach(Ticket::join);
      metrics = engine.metrics();
    }
    CudaStream.Copies copies = stream.copies().since(before);
    assertEquals(ROWS * TOKENS, metrics.outputTokens());
    assertEquals(metrics.steps(), copies.out(), "one copy back a step");
    assertTrue(copies.outBytes() <= metrics.steps() * 2 * ROWS * Integer.BYTES, copies::toString);
    // A step with prompts and answers has two passes.
    assertTrue(copies.in() <= 2L * INPUTS * metrics.steps(), copies::toString);
    int inputs = Integer.BYTES * (INPUTS * ROWS * 4 + ROWS * 2 * CONTEXT);
    assertTrue(copies.inBytes() <= metrics.steps() * (long) inputs, copies::toString);
  }
}
