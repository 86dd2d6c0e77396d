package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.Card;
import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Tiny random Llamas through model and engine, against what transformers computed with them. */
class LlamaGoldenTest {
  private static final double LOGIT_TOLERANCE = 1e-4;
  private static final String LOUD = "plain";

  /** Logits are up to 10 and more; a weight in the wrong place costs ones. */
  private static final double CARD_TOLERANCE = 0.15;

  static Stream<Arguments> variantsAndBackends() {
    List<Supplier<Backend>> backends =
        List.of(CpuBackend::reference, () -> CpuBackend.open(2), () -> CpuBackend.plain(1));
    Stream<String> variants =
        Stream.of(
                Golden.VARIANTS,
                Golden.GGUF_TYPES,
                Golden.GGUF_FAMILIES,
                Golden.SEARCHED,
                Golden.FAMILIES,
                Golden.QUANTIZED)
            .flatMap(List::stream);
    return variants.flatMap(v -> backends.stream().map(b -> Arguments.of(v, b)));
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("variantsAndBackends")
  void logitsAreTransformersLogits(String variant, Supplier<Backend> backend) {
    double worst = largestDifference(variant, backend.get());
    assertTrue(worst <= LOGIT_TOLERANCE, "largest difference " + worst);
  }

  /** Eight bits of a number for eleven. */
  private static final double BF16_TOLERANCE = 8 * CARD_TOLERANCE;

  private static double tolerance(TwoByteFloat type) {
    return type == TwoByteFloat.F16 ? CARD_TOLERANCE : BF16_TOLERANCE;
  }

  static Stream<Arguments> variantsOfACard() {
    return Stream.of(TwoByteFloat.values())
        .flatMap(type -> cardVariants().map(variant -> Arguments.of(variant, type)));
  }

  private static Stream<String> cardVariants() {
    return Stream.of(
            Golden.VARIANTS,
            Golden.GGUF_TYPES,
            Golden.QUANTIZED,
            Golden.FAMILIES,
            Golden.GGUF_FAMILIES)
        .flatMap(List::stream)
        .filter(variant -> !variant.equals("hf/llama")); // heads of 20: a card's are multiples of 8
  }

  /** Every weight format and family, within what the activations' type does to these models. */
  @ParameterizedTest
  @MethodSource("variantsOfACard")
  @Tag("gpu")
  void logitsOfACardAreCloseToTransformersLogits(String variant, TwoByteFloat type) {
    Card.assume();
    double worst = largestDifference(variant, CudaBackend.open(0, type));
    System.out.printf("%s %s: largest difference %.3f%n", variant, type, worst);
    assertTrue(worst <= tolerance(type), "largest difference " + worst);
  }

  /** A card's answer may part from transformers' where two tokens are as good as equal alone. */
  @ParameterizedTest
  @MethodSource("variantsOfACard")
  @Tag("gpu")
  void greedyTokensOfACardAreTransformersTokens(String variant, TwoByteFloat type) {
    Card.assume();
    Golden golden = Golden.load(variant);
    try (Engine engine =
        Engine.start(
            executor(variant, CudaBackend.open(0, type)), new LetterTokenizer(), config(variant))) {
      SamplingParams params = SamplingParams.greedy(golden.greedy().length);
      GenerationRequest request = GenerationRequest.generate(golden.prompt(), params);
      int[] tokens = engine.submit(request).join().tokens();
      int parted = Arrays.mismatch(golden.greedy(), tokens);
      if (parted >= 0) {
        int row = (golden.prompt().length - 1 + parted) * golden.vocabulary();
        float best = golden.logits()[row + golden.greedy()[parted]];
        float other = golden.logits()[row + tokens[parted]];
        String what =
            "token %d is %d, logit %s, for %s".formatted(parted, tokens[parted], other, best);
        assertTrue(best - other <= tolerance(type), what);
      }
      assertArrayEquals(tokens, engine.submit(request).join().tokens(), "with reused blocks");
    }
  }

  private static double largestDifference(String variant, Backend backend) {
    return largestDifference(Golden.load(variant), executor(variant, backend));
  }

  private static double largestDifference(Golden golden, LlamaExecutor stepExecutor) {
    int[] tokens = Arrays.copyOf(golden.prompt(), golden.prompt().length + golden.greedy().length);
    System.arraycopy(golden.greedy(), 0, tokens, golden.prompt().length, golden.greedy().length);
    try (LlamaExecutor executor = stepExecutor) {
      double worst = 0;
      float[] logits = new float[golden.vocabulary()];
      int position = 0;
      for (BatchPlan plan : everyRow(tokens)) {
        StepExecutor.Logits output = executor.execute(plan);
        for (int i = 0; i < plan.logitRows().length; i++, position++) {
          output.read(i, logits);
          for (int token = 0; token < logits.length; token++) {
            float expected = golden.logits()[position * golden.vocabulary() + token];
            worst = Math.max(worst, Math.abs(logits[token] - expected));
          }
        }
      }
      assertEquals(tokens.length, position);
      return worst;
    }
  }

  /** A residual stream in the hundred thousands changes nothing for a type that holds it. */
  @Test
  void aLoudModelIsTheSameModel() {
    Golden golden = Golden.load(LOUD);
    double worst = largestDifference(golden, loud(CpuBackend.open(2)));
    assertTrue(worst <= LOGIT_TOLERANCE, "largest difference " + worst);
  }

  @Test
  @Tag("gpu")
  void aCardComputesALoudModelInBf16AndNamesTheKeyInFp16() {
    Card.assume();
    Golden golden = Golden.load(LOUD);
    double worst = largestDifference(golden, loud(CudaBackend.open(0, TwoByteFloat.BF16)));
    System.out.printf("loud, bf16: largest difference %.3f%n", worst);
    assertTrue(worst <= BF16_TOLERANCE, "largest difference " + worst);
    LlamaExecutor halves = loud(CudaBackend.open(0, TwoByteFloat.F16));
    try (Engine engine = Engine.start(halves, new LetterTokenizer(), config(LOUD))) {
      GenerationRequest request =
          GenerationRequest.generate(golden.prompt(), SamplingParams.greedy(4));
      Ticket ticket = engine.submit(request);
      CompletionException failure = assertThrows(CompletionException.class, ticket::join);
      String message = failure.getCause().getMessage();
      assertTrue(message.contains("spark.sailfish.gpu.activations=bf16"), message);
    }
  }

  private static LlamaExecutor loud(Backend backend) {
    try (Checkpoint checkpoint = new LoudCheckpoint(Checkpoints.open(Golden.model(LOUD)))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      return new LlamaExecutor(checkpoint.config(), weights, backend, config(LOUD));
    }
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("variantsAndBackends")
  void greedyTokensAreTransformersTokens(String variant, Supplier<Backend> backend) {
    Golden golden = Golden.load(variant);
    try (Engine engine =
        Engine.start(executor(variant, backend.get()), new LetterTokenizer(), config(variant))) {
      SamplingParams params = SamplingParams.greedy(golden.greedy().length);
      Ticket alone = engine.submit(GenerationRequest.generate(golden.prompt(), params));
      assertArrayEquals(golden.greedy(), alone.join().tokens());
      List<Ticket> together = new ArrayList<>();
      for (int length = 1; length <= golden.prompt().length; length += 3) {
        int[] prompt = Arrays.copyOf(golden.prompt(), length);
        together.add(engine.submit(GenerationRequest.generate(prompt, params)));
      }
      Ticket again = engine.submit(GenerationRequest.generate(golden.prompt(), params));
      assertArrayEquals(golden.greedy(), again.join().tokens(), "in a batch, with reused blocks");
      assertTrue(again.join().reusedTokens() > 0);
      together.forEach(Ticket::join);
    }
  }

  /** Plans that compute the logits of all positions: the first token, then the rest in pieces. */
  private static List<BatchPlan> everyRow(int[] tokens) {
    // One token more than is looked at: each row scores the token behind it.
    int[] rest = Arrays.copyOfRange(tokens, 1, tokens.length + 1);
    Sequence sequence = new Sequence(new int[] {tokens[0]}, List.of(rest));
    BlockPool pool = new BlockPool(64, LlamaEngine.BLOCK_TOKENS, false);
    while (sequence.numBlocks() * pool.blockTokens() < tokens.length) {
      sequence.addBlock(pool.take());
    }
    List<BatchPlan> plans = new ArrayList<>();
    BatchPlanBuilder first = new BatchPlanBuilder(pool.blockTokens());
    first.add(sequence, 1);
    plans.add(first.build());
    for (int offset = 0; offset < tokens.length - 1; offset += 19) {
      int rows = Math.min(19, tokens.length - 1 - offset);
      BatchPlanBuilder step = new BatchPlanBuilder(pool.blockTokens());
      int[] blocks = step.blockTable(sequence, 1 + offset + rows);
      step.addContinuation(sequence, 0, offset, rows, blocks);
      plans.add(step.build());
    }
    return plans;
  }

  private static LlamaExecutor executor(String variant, Backend backend) {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(variant))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      return new LlamaExecutor(checkpoint.config(), weights, backend, config(variant));
    }
  }

  private static EngineConfig config(String variant) {
    return new EngineConfig(
        variant,
        8,
        "test",
        256,
        64,
        LlamaEngine.BLOCK_TOKENS,
        1,
        64,
        64,
        true,
        Set.of(),
        Drafting.OFF);
  }
}
