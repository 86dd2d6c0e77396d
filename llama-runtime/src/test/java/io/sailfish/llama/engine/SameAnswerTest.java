package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The bits of an answer do not depend on who shares its batch, on the order, on what the cache had,
 * or on being put back: the same requests through differently set-up engines over a real forward
 * pass, compared as text of every token and every bit of the log-probabilities.
 */
class SameAnswerTest {
  private static final int CONTEXT = 128;
  private static final int ENOUGH = 64 * CONTEXT / LlamaEngine.BLOCK_TOKENS;
  private static final int TIGHT = CONTEXT / LlamaEngine.BLOCK_TOKENS;

  /**
   * @param threads of the CPU backend, 0 for a card
   * @param activations of a card
   */
  private record Setup(
      int cap,
      int blocks,
      int prefill,
      boolean reuse,
      int threads,
      int order,
      String model,
      TwoByteFloat activations,
      Drafting drafting) {
    static Setup cpu(int cap, int blocks, int prefill, boolean reuse, int threads, int order) {
      return new Setup(
          cap, blocks, prefill, reuse, threads, order, "llama3", TwoByteFloat.F16, Drafting.OFF);
    }

    Setup with(Drafting other) {
      return new Setup(cap, blocks, prefill, reuse, threads, order, model, activations, other);
    }
  }

  @Test
  void everyBitIsTheSameHoweverTheEngineIsSetUp() {
    assertSameAnswers(
        requests(30),
        List.of(
            Setup.cpu(1, ENOUGH, 64, false, 1, 0),
            Setup.cpu(1, ENOUGH, 64, true, 1, 1),
            Setup.cpu(7, ENOUGH, 64, true, 2, 2),
            Setup.cpu(32, ENOUGH, 256, true, 2, 3),
            Setup.cpu(32, ENOUGH, 128, false, 2, 4),
            Setup.cpu(5, ENOUGH, 16, true, 1, 5),
            Setup.cpu(32, TIGHT, 64, true, 2, 6),
            Setup.cpu(8, TIGHT, 128, false, 2, 7),
            Setup.cpu(1, ENOUGH, 64, false, 2, 0).with(Drafting.ALWAYS),
            Setup.cpu(7, ENOUGH, 64, true, 2, 1).with(Drafting.ALWAYS),
            Setup.cpu(32, ENOUGH, 256, true, 1, 2).with(Drafting.ALWAYS),
            Setup.cpu(32, ENOUGH, 256, true, 2, 3).with(Drafting.AUTO),
            Setup.cpu(8, TIGHT, 64, true, 2, 4).with(Drafting.ALWAYS)));
  }

  /** Dense, packed and table weights, families of their own; batches of every kind of tile. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama3",
        "types/q4_0",
        "quantized/gptq_w4_g32_desc_act",
        "quantized/gptq_w3_g64_asym",
        "quantized/bnb_nf4",
        "hf/qwen2_window",
        "hf/qwen3",
        "hf/mistral"
      })
  @Tag("gpu")
  void everyBitIsTheSameOnACard(String model) {
    everyBitIsTheSameOnACard(model, TwoByteFloat.F16);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama3",
        "types/q4_0",
        "quantized/ct_w4_g128",
        "quantized/bnb_nf4",
        "hf/qwen2_window",
        "hf/qwen3"
      })
  @Tag("gpu")
  void everyBitIsTheSameOnACardInBf16(String model) {
    everyBitIsTheSameOnACard(model, TwoByteFloat.BF16);
  }

  private static void everyBitIsTheSameOnACard(String model, TwoByteFloat type) {
    Card.assume();
    List<Setup> setups = new ArrayList<>();
    setups.add(new Setup(1, ENOUGH, 64, false, 0, 0, model, type, Drafting.OFF));
    for (int cap : new int[] {1, 7, 16, 32, 256}) {
      int prefill = cap < 16 ? 64 : 4096;
      Setup setup =
          new Setup(cap, 40 * TIGHT, prefill, cap != 16, 0, cap, model, type, Drafting.OFF);
      setups.add(setup);
      setups.add(setup.with(Drafting.ALWAYS));
    }
    setups.add(new Setup(32, 40 * TIGHT, 4096, true, 0, 5, model, type, Drafting.AUTO));
    setups.add(new Setup(32, TIGHT, 64, true, 0, 6, model, type, Drafting.OFF));
    setups.add(new Setup(32, TIGHT, 64, true, 0, 6, model, type, Drafting.ALWAYS));
    setups.add(new Setup(256, 4 * TIGHT, 128, false, 0, 7, model, type, Drafting.OFF));
    assertSameAnswers(requests(120), setups);
  }

  private static void assertSameAnswers(List<GenerationRequest> requests, List<Setup> setups) {
    List<String> expected = answers(requests, setups.get(0));
    for (Setup setup : setups.subList(1, setups.size())) {
      List<String> answers = answers(requests, setup);
      for (int i = 0; i < requests.size(); i++) {
        assertEquals(expected.get(i), answers.get(i), setup + ", request " + i);
      }
    }
  }

  private static List<String> answers(List<GenerationRequest> requests, Setup setup) {
    List<Integer> order = new ArrayList<>(IntStream.range(0, requests.size()).boxed().toList());
    if (setup.order() > 0) {
      Collections.shuffle(order, new Random(setup.order()));
    }
    Ticket[] tickets = new Ticket[requests.size()];
    try (Engine engine = engine(setup)) {
      order.forEach(i -> tickets[i] = engine.submit(requests.get(i)));
      List<String> answers = Arrays.stream(tickets).map(t -> bits(t.join())).toList();
      if (setup.blocks() == TIGHT) {
        assertTrue(engine.metrics().preemptions() > 0, "rows are put back");
      } else if (setup.drafting() == Drafting.ALWAYS && setup.cap() != 16) {
        // With 16 places and no prefixes some prompt is in nearly every step: nobody drafts then.
        assertTrue(
            engine.metrics().draftedTokens() > 0, setup + ": there is something to draft from");
      }
      return answers;
    }
  }

  static String bits(GenerationResult result) {
    long[] logProbs =
        Arrays.stream(result.logProbs()).mapToLong(Double::doubleToLongBits).toArray();
    return result.finish() + Arrays.toString(result.tokens()) + Arrays.toString(logProbs);
  }

  static List<GenerationRequest> requests(int count) {
    Random random = new Random(3);
    int[] shared = tokens(random, 20);
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] own = tokens(random, 1 + random.nextInt(70));
      for (int j = 9; i % 2 == 0 && j < own.length; j++) {
        own[j] = own[j - 9];
      }
      int[] prompt = IntStream.concat(IntStream.of(shared), IntStream.of(own)).toArray();
      int most = 1 + random.nextInt(30);
      if (i % 3 == 0) {
        requests.add(GenerationRequest.generate(prompt, SamplingParams.greedy(most)));
      } else if (i % 3 == 1) {
        int topK = i % 2 * 20;
        float minP = i % 4 == 1 ? 0.02f : 0f;
        float temperature = i % 2 == 0 ? 0.3f : 1.2f; // some repeat themselves, so that drafts help
        float penalty = i % 2 == 0 ? 1f : 1.1f;
        requests.add(
            GenerationRequest.generate(
                prompt,
                new SamplingParams(most, temperature, topK, 0.9f, minP, penalty, i, List.of())));
      } else {
        requests.add(
            GenerationRequest.score(
                prompt, List.of(tokens(random, 3), tokens(random, 1), tokens(random, 6))));
      }
    }
    return requests;
  }

  private static int[] tokens(Random random, int count) {
    return IntStream.range(0, count).map(i -> random.nextInt(512)).toArray();
  }

  private static Engine engine(Setup setup) {
    Backend backend =
        setup.threads() == 0
            ? CudaBackend.open(0, setup.activations())
            : CpuBackend.open(setup.threads());
    EngineConfig config =
        new EngineConfig(
            "same",
            setup.cap(),
            "test",
            CONTEXT,
            setup.blocks(),
            LlamaEngine.BLOCK_TOKENS,
            1,
            setup.prefill(),
            backend.promptCut(),
            setup.reuse(),
            Set.of(),
            setup.drafting());
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(setup.model()))) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      return Engine.start(
          new LlamaExecutor(checkpoint.config(), weights, backend, config),
          new LetterTokenizer(),
          config);
    }
  }
}
