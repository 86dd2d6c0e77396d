package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.DeviceMemoryException;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.choice.TokenChooser;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.engine.GenerationResult.Finish;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineTest {
  static final int BLOCK = 4;
  static final int CONTEXT = 48;
  static final int STOP = 0;

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

  private static void check(GenerationRequest request, GenerationResult result, String what) {
    if (request.continuations().isEmpty()) {
      assertArrayEquals(expected(request.prompt(), request.params()), result.tokens(), what);
      return;
    }
    for (int i = 0; i < result.logProbs().length; i++) {
      double logProb = logProb(request.prompt(), request.continuations().get(i));
      assertEquals(logProb, result.logProbs()[i], what + " continuation " + i);
    }
  }

  private static int[] expected(int[] prompt, SamplingParams params) {
    return expected(prompt, params, 1);
  }

  /**
   * The answer by definition: one sequence, no cache, no batch.
   *
   * @param surprise the model's
   */
  static int[] expected(int[] prompt, SamplingParams params, int surprise) {
    TokenChooser chooser = new TokenChooser(FakeModel.VOCABULARY);
    TokenChoice choice = params.choice(prompt);
    Sequence sequence = new Sequence(prompt, List.of());
    while (sequence.length() <= CONTEXT && sequence.length() - prompt.length < params.maxTokens()) {
      float[] logits = FakeModel.logits(sequence.tokens(), sequence.length(), surprise);
      int token = chooser.choose(logits, choice, sequence.tokens(), sequence.length(), null);
      if (token == STOP) {
        break;
      }
      sequence.append(token);
    }
    return sequence.generated();
  }

  private static double logProb(int[] prompt, int[] continuation) {
    Sequence sequence = new Sequence(prompt, List.of());
    double first = 0;
    double rest = 0;
    for (int i = 0; i < continuation.length; i++) {
      float[] logits = FakeModel.logits(sequence.tokens(), sequence.length());
      double logProb = logits[continuation[i]] - LogProbs.logSumExp(logits);
      first += i == 0 ? logProb : 0;
      rest += i == 0 ? 0 : logProb;
      sequence.append(continuation[i]);
    }
    return first + rest;
  }

  static List<GenerationResult> answers(
      List<GenerationRequest> requests, Engine started, Random random) {
    List<Integer> order = new ArrayList<>(IntStream.range(0, requests.size()).boxed().toList());
    Collections.shuffle(order, random);
    Ticket[] tickets = new Ticket[requests.size()];
    try (Engine engine = started) {
      for (int i : order) {
        tickets[i] = engine.submit(requests.get(i));
        if (random.nextInt(4) == 0) {
          engine.submit(requests.get(i)).cancel(true);
        }
      }
      return List.of(tickets).stream().map(Ticket::join).toList();
    }
  }

  static List<GenerationRequest> requests(Random random, int count) {
    List<GenerationRequest> requests = new ArrayList<>();
    int[] shared = tokens(random, random.nextInt(20));
    for (int i = 0; i < count; i++) {
      int[] own = tokens(random, 1 + random.nextInt(15));
      int[] prompt = IntStream.concat(IntStream.of(shared), IntStream.of(own)).toArray();
      if (random.nextInt(3) == 0) {
        List<int[]> continuations = new ArrayList<>();
        for (int c = 1 + random.nextInt(5); c > 0; c--) {
          continuations.add(tokens(random, 1 + random.nextInt(12)));
        }
        requests.add(GenerationRequest.score(prompt, continuations));
      } else {
        float temperature = random.nextInt(2);
        float penalty = random.nextInt(3) == 0 ? 1.1f : 1f;
        int topK = random.nextInt(2) * 20;
        requests.add(
            request(
                prompt,
                new SamplingParams(
                    1 + random.nextInt(40), temperature, topK, 0.9f, 0f, penalty, i, List.of())));
      }
    }
    return requests;
  }

  private static int[] tokens(Random random, int count) {
    return IntStream.range(0, count).map(i -> random.nextInt(FakeModel.VOCABULARY)).toArray();
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

  private static SamplingParams greedy() {
    return SamplingParams.greedy(6);
  }

  private static GenerationRequest request(int[] prompt, SamplingParams params) {
    return GenerationRequest.generate(prompt, params);
  }

  private static Engine engine(StepExecutor model, int cap, int blocks, boolean reuse) {
    return Engine.start(model, new LetterTokenizer(), config(cap, blocks, reuse, Drafting.OFF));
  }

  static EngineConfig config(int cap, int blocks, boolean reuse, Drafting drafting) {
    return new EngineConfig(
        "fake", cap, "test", CONTEXT, blocks, BLOCK, 1, 16, 16, reuse, Set.of(STOP), drafting);
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
