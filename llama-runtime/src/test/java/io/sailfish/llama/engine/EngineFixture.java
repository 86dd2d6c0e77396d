package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.choice.TokenChooser;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/** Engines over a {@link FakeModel}, work for them, and its answers by definition. */
final class EngineFixture {
  static final int BLOCK = 4;
  static final int CONTEXT = 48;
  static final int STOP = 0;

  private EngineFixture() {}

  static Engine engine(StepExecutor model, int cap, int blocks, boolean reuse) {
    return Engine.start(model, new LetterTokenizer(), config(cap, blocks, reuse, Drafting.OFF));
  }

  static EngineConfig config(int cap, int blocks, boolean reuse, Drafting drafting) {
    return new EngineConfig(
        "fake", cap, "test", CONTEXT, blocks, BLOCK, 1, 16, 16, reuse, Set.of(STOP), drafting);
  }

  static SamplingParams greedy() {
    return SamplingParams.greedy(6);
  }

  static GenerationRequest request(int[] prompt, SamplingParams params) {
    return GenerationRequest.generate(prompt, params);
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

  static void check(GenerationRequest request, GenerationResult result, String what) {
    if (request.continuations().isEmpty()) {
      assertArrayEquals(expected(request.prompt(), request.params()), result.tokens(), what);
      return;
    }
    for (int i = 0; i < result.logProbs().length; i++) {
      double logProb = logProb(request.prompt(), request.continuations().get(i));
      assertEquals(logProb, result.logProbs()[i], what + " continuation " + i);
    }
  }

  static int[] expected(int[] prompt, SamplingParams params) {
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
}
