package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.engine.GenerationResult.Finish;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Drafts change how many steps an answer takes, and nothing of the answer. */
@Timeout(60)
class SpeculatedAnswersTest {
  /** As the model goes on without surprises. */
  private static final int[] CIRCLE = {10, 11, 12, 13, 14, 15, 10, 11, 12};

  private final FakeModel model = new FakeModel(64, EngineFixture.BLOCK);
  private EngineMetrics metrics;

  @Test
  void randomWorkloadsGiveTheSameAnswers() {
    Totals totals = randomWorkloads(model -> model, Drafting.ALWAYS, 500);
    assertTrue(totals.preempted > 100, totals.toString());
    assertTrue(totals.accepted > 3_000, totals.toString());
    assertTrue(totals.drafted > 2 * totals.accepted, "many are refused: " + totals);
  }

  @Test
  void soTheyDoWhereADeviceIsAStepAhead() {
    List<AheadModel> models = new ArrayList<>();
    Totals totals =
        randomWorkloads(
            model -> {
              models.add(new AheadModel(model, Set.of(EngineFixture.STOP)));
              return models.get(models.size() - 1);
            },
            Drafting.ALWAYS,
            500);
    assertTrue(totals.accepted > 3_000, totals.toString());
    assertTrue(models.stream().anyMatch(model -> model.takenAhead > 0), "and is ahead at times");
  }

  /** When drafts are made depends on times here, which are what they are. */
  @Test
  void soTheyDoWhereOnlyWhatPaysIsDrafted() {
    for (Drafting drafting : List.of(Drafting.ON, Drafting.AUTO)) {
      randomWorkloads(model -> model, drafting, 100);
      randomWorkloads(model -> new AheadModel(model, Set.of(EngineFixture.STOP)), drafting, 100);
    }
  }

  private record Totals(long drafted, long accepted, long preempted) {
    Totals plus(EngineMetrics more) {
      return new Totals(
          drafted + more.draftedTokens(),
          accepted + more.acceptedTokens(),
          preempted + more.preemptions());
    }
  }

  private static Totals randomWorkloads(
      Function<FakeModel, StepExecutor> device, Drafting drafting, int seeds) {
    Totals totals = new Totals(0, 0, 0);
    for (int seed = 0; seed < seeds; seed++) {
      Random random = new Random(seed);
      List<GenerationRequest> requests = EngineFixture.requests(random, 1 + random.nextInt(12));
      int cap = random.nextBoolean() ? 1 + random.nextInt(8) : 64;
      int blocks = EngineFixture.CONTEXT / EngineFixture.BLOCK + random.nextInt(30);
      FakeModel model = new FakeModel(blocks, EngineFixture.BLOCK);
      model.surprise = 5;
      EngineConfig config = EngineFixture.config(cap, blocks, random.nextBoolean(), drafting);
      Engine engine = Engine.start(device.apply(model), new LetterTokenizer(), config);
      List<GenerationResult> results =
          EngineFixture.answers(requests, engine, new Random(seed + 1));
      totals = totals.plus(engine.metrics());
      for (int i = 0; i < requests.size(); i++) {
        GenerationRequest request = requests.get(i);
        if (request.continuations().isEmpty()) {
          assertArrayEquals(
              EngineFixture.expected(request.prompt(), request.params(), model.surprise),
              results.get(i).tokens(),
              "seed " + seed + " request " + i);
        }
      }
    }
    return totals;
  }

  @Test
  void whereAllGuessesAreRightAnAnswerTakesFewSteps() {
    model.surprise = 0;
    GenerationResult result = answer(CIRCLE, SamplingParams.greedy(30), Set.of());
    assertArrayEquals(IntStream.range(0, 30).map(i -> 10 + (i + 3) % 6).toArray(), result.tokens());
    assertEquals(Finish.LENGTH, result.finish());
    assertEquals(1 + 2, model.steps, "the prompt, 16 tokens and one, the other 12");
    assertEquals(16 + 11, metrics.draftedTokens());
    assertEquals(16 + 11 - 1 + 1, metrics.acceptedTokens());
    assertEquals(30, metrics.outputTokens());
  }

  @Test
  void whereNoGuessIsRightAnAnswerTakesAStepAToken() {
    int[] prompt = {5, 6, 7, 5, 6, 7, 5, 6, 7};
    SamplingParams params = SamplingParams.greedy(12);
    GenerationResult result = answer(prompt, params, Set.of());
    assertArrayEquals(EngineFixture.expected(prompt, params, 1), result.tokens());
    assertEquals(12, model.steps);
    assertEquals(0, metrics.acceptedTokens());
  }

  @Test
  void aSampledAnswerIsDraftedForToo() {
    model.surprise = 0;
    SamplingParams params = new SamplingParams(30, 1f, 0, 1f, 0f, 1.05f, 7, List.of());
    GenerationResult result = answer(CIRCLE, params, Set.of());
    assertArrayEquals(EngineFixture.expected(CIRCLE, params, 0), result.tokens());
    assertTrue(metrics.acceptedTokens() > 10, "accepted " + metrics.acceptedTokens());
  }

  @Test
  void aStopTokenEndsTheDraftAndTheAnswer() {
    model.surprise = 0;
    GenerationResult result = answer(CIRCLE, SamplingParams.greedy(30), Set.of(10));
    assertArrayEquals(new int[] {13, 14, 15}, result.tokens());
    assertEquals(Finish.STOP, result.finish());
    assertEquals(1 + 1, model.steps, "the prompt and its first token, then two and the end");
    assertEquals(2, metrics.draftedTokens(), "nothing from the stop token on");
  }

  @Test
  void aStopStringWithinADraftEndsTheAnswer() {
    model.surprise = 0;
    String stop = new LetterTokenizer().decode(new int[] {10, 11});
    SamplingParams params = new SamplingParams(30, 0f, 0, 1f, 0f, 1f, 0, List.of(stop));
    GenerationResult result = answer(CIRCLE, params, Set.of());
    assertEquals(new LetterTokenizer().decode(new int[] {13, 14, 15}), result.text());
    assertEquals(Finish.STOP, result.finish());
    assertEquals(2, model.steps);
  }

  @Test
  void anAnswerEndsAtItsLastTokenAndNothingIsDraftedBeyond() {
    model.surprise = 0;
    for (int most = 1; most <= 5; most++) {
      GenerationResult result = answer(CIRCLE, SamplingParams.greedy(most), Set.of());
      assertArrayEquals(Arrays.copyOf(new int[] {13, 14, 15, 10, 11}, most), result.tokens());
      assertEquals(Finish.LENGTH, result.finish());
      assertEquals(Math.max(0, most - 2), metrics.draftedTokens());
    }
  }

  @Test
  void theEndOfTheContextEndsADraft() {
    model.surprise = 0;
    int[] prompt = IntStream.range(0, EngineFixture.CONTEXT - 3).map(i -> 10 + i % 6).toArray();
    GenerationResult result = answer(prompt, SamplingParams.greedy(100), Set.of());
    assertArrayEquals(
        EngineFixture.expected(prompt, SamplingParams.greedy(100), 0), result.tokens());
    assertEquals(4, result.tokens().length);
    assertEquals(2, metrics.draftedTokens());
  }

  @Test
  void acceptedTokensCountForTheirRow() {
    model.surprise = 0;
    try (Engine engine = engine(Set.of())) {
      Ticket ticket = engine.submit(GenerationRequest.generate(CIRCLE, SamplingParams.greedy(30)));
      ticket.join();
      assertEquals(engine.metrics().draftedTokens(), ticket.usage().device().draftedTokens());
      assertEquals(engine.metrics().acceptedTokens(), ticket.usage().device().acceptedTokens());
    }
  }

  private GenerationResult answer(int[] prompt, SamplingParams params, Set<Integer> stopIds) {
    model.steps = 0;
    try (Engine engine = engine(stopIds)) {
      GenerationResult result = engine.submit(GenerationRequest.generate(prompt, params)).join();
      metrics = engine.metrics();
      return result;
    }
  }

  private Engine engine(Set<Integer> stopIds) {
    EngineConfig config =
        new EngineConfig(
            "fake",
            4,
            "test",
            EngineFixture.CONTEXT,
            64,
            EngineFixture.BLOCK,
            1,
            16,
            16,
            true,
            stopIds,
            Drafting.ALWAYS);
    return Engine.start(model, new LetterTokenizer(), config);
  }
}
