package io.sailfish.llama.engine;

import static io.sailfish.llama.engine.EngineFixture.BLOCK;
import static io.sailfish.llama.engine.EngineFixture.CONTEXT;
import static io.sailfish.llama.engine.EngineFixture.STOP;
import static io.sailfish.llama.engine.EngineFixture.answers;
import static io.sailfish.llama.engine.EngineFixture.check;
import static io.sailfish.llama.engine.EngineFixture.engine;
import static io.sailfish.llama.engine.EngineFixture.expected;
import static io.sailfish.llama.engine.EngineFixture.greedy;
import static io.sailfish.llama.engine.EngineFixture.request;
import static io.sailfish.llama.engine.EngineFixture.requests;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.engine.GenerationResult.Finish;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineTest {
  @Test
  void anAnswerIsWhatTheModelSaysTokenByToken() {
    int[] prompt = {5, 6, 7, 8, 9};
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 4, 64, true)) {
      GenerationResult result = engine.submit(request(prompt, SamplingParams.greedy(10))).join();
      assertArrayEquals(expected(prompt, SamplingParams.greedy(10)), result.tokens());
      assertEquals(new LetterTokenizer().decode(result.tokens()), result.text());
      assertEquals(5, result.promptTokens());
    }
    assertTrue(model.closed);
  }

  @Test
  void thousandRandomWorkloadsGiveTheSameAnswersWhateverTheBatch() {
    randomWorkloads(model -> model);
  }

  @Test
  void theAnswersAreTheSameWhereADeviceIsAStepAhead() {
    AtomicLong taken = new AtomicLong();
    List<AheadModel> models = new ArrayList<>();
    randomWorkloads(
        model -> {
          models.add(new AheadModel(model, Set.of(STOP)));
          return models.get(models.size() - 1);
        });
    models.forEach(model -> taken.addAndGet(model.takenAhead));
    assertTrue(taken.get() > 9_000, "tokens taken before the host knew them: " + taken);
  }

  /**
   * Rows that are scored cost nobody a wait: all tokens but the first are taken on the device. And
   * the copies of docs/memory.md: an id goes to the device once, a token or a score comes back
   * once.
   */
  @Test
  void aRowGoesOnAheadBesideRowsThatAreScored() {
    FakeModel device = new FakeModel(64, BLOCK);
    AheadModel model = new AheadModel(device, Set.of(STOP));
    SamplingParams params = SamplingParams.greedy(30);
    GenerationRequest goesOn =
        IntStream.range(1, FakeModel.VOCABULARY)
            .mapToObj(i -> new int[] {i, 6})
            .filter(prompt -> expected(prompt, params).length == 30)
            .map(prompt -> request(prompt, params))
            .findFirst()
            .orElseThrow();
    List<GenerationRequest> scored =
        IntStream.range(1, 20)
            .mapToObj(
                i ->
                    GenerationRequest.score(
                        new int[] {i, 2, 3}, List.of(new int[] {4, i, 5}, new int[] {6})))
            .toList();
    try (Engine engine = engine(model, 3, 64, true)) {
      Ticket first = engine.submit(goesOn);
      List<Ticket> tickets = scored.stream().map(engine::submit).toList();
      for (int i = 0; i < tickets.size(); i++) {
        check(scored.get(i), tickets.get(i).join(), "request " + i);
      }
      assertEquals(30, first.join().tokens().length);
      assertEquals(29, model.takenAhead);
      int asked = 2 + 29; // the last token of an answer goes nowhere
      int askedToScore = 3 + 2; // nor does that of a continuation
      assertEquals(asked + scored.size() * askedToScore, device.rows);
      assertEquals(30, model.tokensRead);
      assertEquals(scored.size() * 4, model.scoresRead);
    }
  }

  /** The step that was queued before anybody knew that the last row had ended. */
  @Test
  void noStepIsLeftUnderWayWhileNobodyAsks() throws InterruptedException {
    FakeModel device = new FakeModel(64, BLOCK);
    SamplingParams params = SamplingParams.greedy(30);
    GenerationRequest stops =
        IntStream.range(1, FakeModel.VOCABULARY)
            .mapToObj(i -> new int[] {i, 6})
            .filter(prompt -> expected(prompt, params).length < 30)
            .map(prompt -> request(prompt, params))
            .findFirst()
            .orElseThrow();
    try (Engine engine = engine(new AheadModel(device, Set.of(STOP)), 3, 64, true)) {
      check(stops, engine.submit(stops).join(), "ends by a stop token");
      int queued = expected(stops.prompt(), params).length + 2;
      long deadline = System.nanoTime() + 10_000_000_000L;
      while (engine.metrics().steps() < queued && System.nanoTime() < deadline) {
        Thread.sleep(1);
      }
      assertEquals(queued, engine.metrics().steps());
      assertEquals(queued, device.steps);
    }
  }

  private static void randomWorkloads(Function<FakeModel, StepExecutor> device) {
    for (int seed = 0; seed < 1000; seed++) {
      Random random = new Random(seed);
      List<GenerationRequest> requests = requests(random, 1 + random.nextInt(12));
      int cap = random.nextBoolean() ? 1 + random.nextInt(8) : 64;
      int blocks = CONTEXT / BLOCK + random.nextInt(30);
      List<GenerationResult> results =
          answers(
              requests,
              engine(device.apply(new FakeModel(blocks, BLOCK)), cap, blocks, random.nextBoolean()),
              new Random(seed + 1));
      for (int i = 0; i < requests.size(); i++) {
        check(requests.get(i), results.get(i), "seed " + seed + " request " + i);
      }
    }
  }

  @Test
  void equalRequestsInFlightAreComputedOnce() {
    FakeModel model = new FakeModel(64, BLOCK);
    GenerationRequest request = request(new int[] {1, 2, 3}, SamplingParams.greedy(8));
    try (Engine engine = engine(model, 4, 64, true)) {
      List<Ticket> tickets =
          hold(
              model,
              engine,
              () ->
                  IntStream.range(0, 5)
                      .mapToObj(
                          i ->
                              engine.submit(request(new int[] {1, 2, 3}, SamplingParams.greedy(8))))
                      .toList());
      for (Ticket ticket : tickets) {
        check(request, ticket.join(), "shared");
      }
      assertEquals(3, tickets.get(1).join().reusedTokens());
      assertEquals(0, tickets.get(1).usage().steps());
      assertEquals(4, engine.metrics().sharedRows());
      assertEquals(2, engine.metrics().finishedRows(), "the row that held the engine, and one");
    }
  }

  @Test
  void cancellingOneOfTwoEqualRequestsKeepsTheOther() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 4, 64, true)) {
      GenerationRequest request = request(new int[] {1, 2, 3}, SamplingParams.greedy(8));
      List<Ticket> tickets =
          hold(
              model,
              engine,
              () -> {
                List<Ticket> both = List.of(engine.submit(request), engine.submit(request));
                both.get(0).cancel(true);
                return both;
              });
      check(request, tickets.get(1).join(), "kept");
      assertTrue(tickets.get(0).isCancelled());
      assertEquals(1, engine.metrics().cancelledRows());
    }
  }

  @Test
  void aCancelledRowLeavesTheBatch() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 4, 64, true)) {
      Ticket ticket =
          hold(
              model,
              engine,
              () -> {
                Ticket t = engine.submit(request(new int[] {9}, SamplingParams.greedy(40)));
                t.cancel(true);
                return t;
              });
      engine.submit(request(new int[] {1}, SamplingParams.greedy(1))).join();
      assertTrue(ticket.isCancelled());
      assertEquals(1, engine.metrics().cancelledRows());
    }
  }

  @Test
  void aStopStringEndsTheAnswerAndIsNotPartOfIt() {
    int[] prompt = {5, 6, 7};
    LetterTokenizer letters = new LetterTokenizer();
    String whole = letters.decode(expected(prompt, SamplingParams.greedy(12)));
    String stop = whole.substring(4, 6);
    SamplingParams params = new SamplingParams(12, 0f, 0, 1f, 0f, 1f, 0, List.of("zzz", stop));
    try (Engine engine = engine(new FakeModel(64, BLOCK), 4, 64, true)) {
      GenerationResult result = engine.submit(request(prompt, params)).join();
      assertEquals(whole.substring(0, whole.indexOf(stop)), result.text());
      assertEquals(Finish.STOP, result.finish());
      // The last characters come out of the decoder only when the answer ends.
      String last = whole.substring(whole.length() - 1);
      SamplingParams atEnd =
          new SamplingParams(12, 0f, 0, 1f, 0f, 1f, 0, List.of(whole.substring(8) + last, whole));
      GenerationResult full = engine.submit(request(prompt, atEnd)).join();
      assertEquals("", full.text());
      assertEquals(Finish.STOP, full.finish());
    }
  }

  @Test
  void theEndOfTheContextEndsAnAnswer() {
    int[] prompt = IntStream.range(1, CONTEXT - 2).toArray();
    for (int i = 0; i < prompt.length; i++) {
      prompt[i] %= FakeModel.VOCABULARY;
    }
    try (Engine engine = engine(new FakeModel(64, BLOCK), 4, 64, true)) {
      GenerationRequest request = request(prompt, SamplingParams.greedy(1000));
      GenerationResult result = engine.submit(request).join();
      check(request, result, "long prompt");
    }
  }

  @Test
  void metricsAddUp() {
    try (Engine engine = engine(new FakeModel(64, BLOCK), 8, 64, true)) {
      long output = 0;
      for (int i = 0; i < 10; i++) {
        GenerationRequest request = request(new int[] {1, 2, 3, 4, 5, i}, greedy());
        output += engine.submit(request).join().tokens().length;
      }
      EngineMetrics metrics = engine.metrics();
      assertEquals(60, metrics.promptTokens());
      assertEquals(36, metrics.reusedTokens(), "nine times the first block");
      assertTrue(metrics.outputTokens() >= output);
      assertEquals(10, metrics.finishedRows());
      assertTrue(metrics.batchFill() >= 1);
    }
  }

  /** Submits while a step is held, so that all of it is in flight together. */
  private static <T> T hold(FakeModel model, Engine engine, Supplier<T> submit) {
    model.gate = new CountDownLatch(1);
    Ticket slow = engine.submit(request(new int[] {42}, SamplingParams.greedy(1)));
    try {
      return submit.get();
    } finally {
      model.gate.countDown();
      slow.join();
    }
  }
}
