package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.Card;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.StreamedLayers;
import io.sailfish.llama.model.WeightSizes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Weights that come from the host give the bits of weights that lie on the card. */
@Tag("gpu")
class StreamedWeightsTest {
  private static final int CONTEXT = 128;

  /** Dense, packed and table weights, orders of inputs, layers with biases. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama3",
        "types/q4_0",
        "quantized/gptq_w4_g32_desc_act",
        "quantized/gptq_w3_g64_asym",
        "hf/qwen2_window"
      })
  void everyBitIsTheSameWhereverTheWeightsAre(String model) {
    Card.assume();
    List<String> resident = answers(model, 32, 0, Drafting.OFF);
    int layers = layers(model);
    for (int streamed = 1; streamed <= layers; streamed++) {
      for (int cap : new int[] {1, 32, 256}) {
        assertEquals(resident, answers(model, cap, streamed, Drafting.OFF), cap + " " + streamed);
      }
    }
    assertEquals(resident, answers(model, 7, layers, Drafting.ALWAYS), "with drafts");
  }

  private static List<String> answers(String model, int cap, int streamed, Drafting drafting) {
    CudaBackend backend = CudaBackend.open(0);
    EngineConfig config =
        new EngineConfig(
            "streamed",
            cap,
            "test",
            CONTEXT,
            40 * CONTEXT / LlamaEngine.BLOCK_TOKENS,
            LlamaEngine.BLOCK_TOKENS,
            1,
            256,
            backend.promptCut(),
            true,
            Set.of(),
            drafting);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(model))) {
      long largest = WeightSizes.of(checkpoint, backend).largest();
      LlamaWeights weights =
          LlamaWeights.load(
              checkpoint, backend, new StreamedLayers(streamed, largest, 2 + streamed % 3));
      WeightStreaming streaming = backend.streaming().orElseThrow();
      assertEquals(streamed > 0, streaming.stepNanos() > 0);
      LlamaExecutor executor = new LlamaExecutor(checkpoint.config(), weights, backend, config);
      try (Engine engine = Engine.start(executor, new LetterTokenizer(), config)) {
        return answers(engine);
      }
    }
  }

  private static List<String> answers(Engine engine) {
    List<Ticket> tickets = new ArrayList<>();
    SameAnswerTest.requests(40).forEach(request -> tickets.add(engine.submit(request)));
    return tickets.stream().map(ticket -> SameAnswerTest.bits(ticket.join())).toList();
  }

  private static int layers(String model) {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(model))) {
      return checkpoint.config().layers();
    }
  }

  /** The share of the card's memory decides, and the engine tells. */
  @Test
  void aModelLargerThanItsShareOfTheCardIsStreamed() {
    Card.assume();
    RuntimeConfig runtime = RuntimeConfig.defaults().withContextTokens(CONTEXT).withBatchCap(32);
    List<String> answers = new ArrayList<>();
    String description;
    double fraction;
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      CudaBackend whole = CudaBackend.open(0);
      fraction = fraction(checkpoint, whole, runtime);
      try (Engine engine = LlamaEngine.load(checkpoint, whole, new LetterTokenizer(), runtime)) {
        answers.addAll(answers(engine));
      }
      BackendRequest share =
          new BackendRequest("cuda", 0, "0", fraction, BackendRequest.of("cuda", 0).activations());
      CudaBackend part = CudaBackend.open(share);
      try (Engine engine = LlamaEngine.load(checkpoint, part, new LetterTokenizer(), runtime)) {
        assertEquals(answers, answers(engine));
        description = part.describe();
      }
    }
    assertTrue(description.contains("streamed from the host"), description);
  }

  /** So little that all layers are streamed. */
  private static double fraction(
      Checkpoint checkpoint, CudaBackend backend, RuntimeConfig runtime) {
    StepMemory steps = new StepMemory(checkpoint.config(), backend, runtime, Set.of());
    WeightStreaming streaming = backend.streaming().orElseThrow();
    WeightSizes sizes = WeightSizes.of(checkpoint, backend);
    long total = backend.stream().device().properties().totalBytes();
    long taken = (long) (total * BackendRequest.MEMORY_FRACTION) - streaming.deviceBytes();
    long places = streaming.placesBytes(sizes.largest(), 2);
    long small = WeightPlacement.small(checkpoint.config());
    long wanted = taken + small + steps.bytes(1) + sizes.vocabulary() + places;
    return (double) wanted / total;
  }
}
