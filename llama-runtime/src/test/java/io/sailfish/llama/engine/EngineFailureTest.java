package io.sailfish.llama.engine;

import static io.sailfish.llama.engine.EngineFixture.BLOCK;
import static io.sailfish.llama.engine.EngineFixture.CONTEXT;
import static io.sailfish.llama.engine.EngineFixture.STOP;
import static io.sailfish.llama.engine.EngineFixture.check;
import static io.sailfish.llama.engine.EngineFixture.config;
import static io.sailfish.llama.engine.EngineFixture.engine;
import static io.sailfish.llama.engine.EngineFixture.expected;
import static io.sailfish.llama.engine.EngineFixture.greedy;
import static io.sailfish.llama.engine.EngineFixture.request;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.DeviceMemoryException;
import io.sailfish.kernels.KernelException;
import io.sailfish.llama.RuntimeFailure;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Steps that fail, requests that are refused, and engines that are closed. */
@Timeout(60)
class EngineFailureTest {
  @Test
  void aStepThatFailsAheadFailsItsRowsAndTheEngineGoesOn() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine =
        Engine.start(
            new AheadModel(model, Set.of(STOP)),
            new LetterTokenizer(),
            config(2, 64, true, Drafting.OFF))) {
      GenerationRequest fails = request(new int[] {1, 2}, SamplingParams.greedy(40));
      GenerationRequest waits = request(new int[] {3, 4, 5, 6, 7, 8}, SamplingParams.greedy(40));
      model.stepsToFailure = 1; // the step whose tokens nobody has looked at is lost with it
      model.failNext = new DeviceMemoryException("activations", 7_000, 10);
      assertEquals(RuntimeFailure.Kind.RETRYABLE, failureOf(engine.submit(fails)).kind());
      check(fails, engine.submit(fails).join(), "after the failure");
      check(waits, engine.submit(waits).join(), "after the failure");
    }
  }

  /**
   * A row that goes on takes the blocks of one whose scores are on their way; whichever step fails
   * then, what was put back is scored as if nothing had been.
   */
  @Test
  void aRowThatIsScoredSurvivesTheLossOfItsScores() {
    List<int[]> continuations =
        IntStream.range(0, 90)
            .map(i -> 1 + i % 48)
            .mapToObj(i -> IntStream.range(i, i + 12).toArray())
            .toList();
    GenerationRequest scored = GenerationRequest.score(new int[] {1, 2, 3}, continuations);
    SamplingParams params = SamplingParams.greedy(40);
    GenerationRequest goesOn =
        IntStream.range(1, FakeModel.VOCABULARY)
            .mapToObj(i -> new int[] {i, 6})
            .filter(prompt -> expected(prompt, params).length == 40)
            .map(prompt -> request(prompt, params))
            .findFirst()
            .orElseThrow();
    int survived = 0;
    for (int step = 2; step < 60; step++) {
      FakeModel model = new FakeModel(CONTEXT / BLOCK, BLOCK);
      model.gate = new CountDownLatch(1);
      model.stepsToFailure = step;
      model.failNext = new DeviceMemoryException("activations", 7_000, 10);
      try (Engine engine =
          Engine.start(
              new AheadModel(model, Set.of(STOP)),
              new LetterTokenizer(),
              config(2, CONTEXT / BLOCK, false, Drafting.OFF))) {
        Ticket first = engine.submit(goesOn);
        Ticket second = engine.submit(scored);
        model.gate.countDown();
        if (second.handle((result, failure) -> failure == null).join()) {
          check(scored, second.join(), "failed at step " + step);
          survived += first.isCompletedExceptionally() ? 1 : 0;
        }
      }
    }
    assertTrue(survived > 0, "steps that failed while the scored row was put back: " + survived);
  }

  @Test
  void aFailedStepFailsWhatRanAndTheEngineGoesOn() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 2, 64, true)) {
      model.failNext = new DeviceMemoryException("activations", 7_000, 10);
      RuntimeFailure failure = failureOf(engine.submit(request(new int[] {1, 2}, greedy())));
      assertEquals(RuntimeFailure.Kind.RETRYABLE, failure.kind());
      assertTrue(failure.getMessage().contains("7,000 bytes requested"), failure.getMessage());
      GenerationRequest next = request(new int[] {1, 2}, greedy());
      check(next, engine.submit(next).join(), "after the failure");
    }
  }

  @Test
  void anExceptionNobodyExpectsIsADefectAndNotRetryable() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 2, 64, true)) {
      for (RuntimeException defect :
          List.of(
              new NullPointerException("no such slot"),
              new IllegalStateException("no luck"),
              new KernelException("matmul", "x", "3 rows", "4 rows"))) {
        model.failNext = defect;
        RuntimeFailure failure = failureOf(engine.submit(request(new int[] {1, 2}, greedy())));
        assertEquals(RuntimeFailure.Kind.DEFECT, failure.kind());
        assertSame(defect, failure.getCause());
        assertTrue(failure.getMessage().contains(defect.toString()), failure.getMessage());
      }
      GenerationRequest next = request(new int[] {1, 2}, greedy());
      check(next, engine.submit(next).join(), "after the failures");
    }
  }

  @Test
  void aFatalStepEndsTheEngineAndEveryRequest() {
    FakeModel model = new FakeModel(64, BLOCK);
    try (Engine engine = engine(model, 1, 64, true)) {
      model.failNext = new DeviceLostException("an illegal address", List.of("gemm"));
      Ticket first = engine.submit(request(new int[] {1, 2}, greedy()));
      assertEquals(RuntimeFailure.Kind.FATAL, failureOf(first).kind());
      Ticket later = engine.submit(request(new int[] {3}, greedy()));
      String message = failureOf(later).getMessage();
      assertTrue(message.contains("an illegal address"), message);
    }
    assertTrue(model.closed);
  }

  @Test
  void logitsThatAreNotNumbersFailTheirRowAlone() {
    FakeModel model = new FakeModel(64, BLOCK);
    model.poison = 60;
    try (Engine engine = engine(model, 4, 64, true)) {
      Ticket bad = engine.submit(request(new int[] {1, 60}, greedy()));
      Ticket badScore =
          engine.submit(GenerationRequest.score(new int[] {2}, List.of(new int[] {60, 1})));
      GenerationRequest good = request(new int[] {1, 2}, SamplingParams.greedy(1));
      Ticket fine = engine.submit(good);
      assertTrue(failureOf(bad).getMessage().contains("not numbers"));
      assertEquals(RuntimeFailure.Kind.USER, failureOf(badScore).kind());
      check(good, fine.join(), "beside a bad row");
    }
  }

  @Test
  void activationsThatMayHaveOverflownNameTheKeyThatHelps() {
    FakeModel model = new FakeModel(64, BLOCK);
    model.poison = 60;
    model.largestActivation = 65504;
    try (Engine engine = engine(model, 4, 64, true)) {
      String message = failureOf(engine.submit(request(new int[] {1, 60}, greedy()))).getMessage();
      assertTrue(message.contains("beyond fp16's 65504"), message);
      assertTrue(message.contains("spark.sailfish.gpu.activations=bf16"), message);
    }
  }

  @Test
  void impossibleRequestsAreRefusedWithTheNumbers() {
    try (Engine engine = engine(new FakeModel(64, BLOCK), 4, 64, true)) {
      assertRefused(engine, request(new int[0], greedy()), "no tokens");
      assertRefused(engine, request(new int[CONTEXT + 1], greedy()), "has 49 tokens");
      assertRefused(engine, request(new int[] {99}, greedy()), "99");
      assertRefused(
          engine,
          GenerationRequest.score(new int[CONTEXT], List.of(new int[] {1, 2})),
          "48 + 2 tokens");
      assertRefused(
          engine, GenerationRequest.score(new int[] {1}, List.of(new int[0])), "no tokens");
    }
  }

  /** A card counts the weights of so many tokens only; a step that tried would fail its rows. */
  @Test
  void vocabulariesThatADeviceCannotWeighAreRefusedWhereWeightsAreNeeded() {
    FakeModel model = new FakeModel(64, BLOCK);
    model.mostWeighed = FakeModel.VOCABULARY - 1;
    int[] prompt = {1, 2};
    SamplingParams samples = new SamplingParams(6, 1f, 0, 1f, 0f, 1f, 7, List.of());
    SamplingParams penalizes = new SamplingParams(6, 0f, 0, 1f, 0f, 1.1f, 7, List.of());
    try (Engine engine = engine(model, 4, 64, true)) {
      assertRefused(engine, request(prompt, samples), "61 tokens");
      assertRefused(engine, request(prompt, penalizes), "at most 60");
      assertRefused(engine, GenerationRequest.score(prompt, List.of(new int[] {3})), "at most 60");
      check(request(prompt, greedy()), engine.submit(request(prompt, greedy())).join(), "greedy");
    }
    model.mostWeighed = FakeModel.VOCABULARY;
    try (Engine engine = engine(model, 4, 64, true)) {
      check(request(prompt, samples), engine.submit(request(prompt, samples)).join(), "sampled");
    }
  }

  @Test
  void closeWaitsForAnswersThatAreBeingMade() throws Exception {
    CountDownLatch decoding = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicBoolean tokenizerInUse = new AtomicBoolean();
    LetterTokenizer slow =
        new LetterTokenizer() {
          @Override
          public String decode(int[] ids) {
            tokenizerInUse.set(true);
            decoding.countDown();
            try {
              goOn.await();
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
            tokenizerInUse.set(false);
            return super.decode(ids);
          }
        };
    Engine engine = Engine.start(new FakeModel(64, BLOCK), slow, config(2, 64, true, Drafting.OFF));
    Ticket ticket = engine.submit(request(new int[] {1, 2}, greedy()));
    decoding.await();
    CompletableFuture<Boolean> inUseAfterClose =
        CompletableFuture.supplyAsync(
            () -> {
              engine.close();
              return tokenizerInUse.get();
            });
    Thread.sleep(100);
    assertFalse(inUseAfterClose.isDone(), "closed while an answer's text is being made");
    goOn.countDown();
    assertFalse(inUseAfterClose.join());
    assertTrue(ticket.isDone());
  }

  @Test
  void anActionOfATicketMayCloseTheEngine() {
    Engine engine = engine(new FakeModel(64, BLOCK), 2, 64, true);
    engine.submit(request(new int[] {1, 2}, greedy())).thenRun(engine::close).join();
    engine.close();
  }

  @Test
  void closingFailsWhatIsInFlightAndWhatComesLater() {
    FakeModel model = new FakeModel(64, BLOCK);
    Engine engine = engine(model, 1, 64, true);
    List<Ticket> tickets =
        IntStream.range(0, 200)
            .mapToObj(i -> engine.submit(request(new int[] {i % 60, i / 60}, greedy())))
            .toList();
    engine.close();
    assertTrue(model.closed);
    for (Ticket ticket : tickets) {
      if (ticket.handle((result, failure) -> failure != null).join()) {
        assertEquals(RuntimeFailure.Kind.RETRYABLE, failureOf(ticket).kind());
      }
    }
    assertTrue(
        failureOf(engine.submit(request(new int[] {1}, greedy()))).getMessage().contains("closed"));
  }

  private static void assertRefused(Engine engine, GenerationRequest request, String words) {
    RuntimeFailure failure = failureOf(engine.submit(request));
    assertEquals(RuntimeFailure.Kind.USER, failure.kind());
    assertTrue(failure.getMessage().contains(words), failure.getMessage());
  }

  private static RuntimeFailure failureOf(Ticket ticket) {
    CompletionException thrown = assertThrows(CompletionException.class, ticket::join);
    return (RuntimeFailure) thrown.getCause();
  }
}
