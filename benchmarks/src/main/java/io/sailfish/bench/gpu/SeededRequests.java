package io.sailfish.bench.gpu;

import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Requests of random ids and mixed lengths, a third of which start alike. */
final class SeededRequests {
  private static final int SHARED = 80;

  private SeededRequests() {}

  /**
   * Prompts of 20 to 600 tokens, most of them short, and answers of 8 to 48, some up to 160; half
   * of them greedy, the others sampled in several ways.
   */
  static List<GenerationRequest> mixed(int count, int vocabulary) {
    Random random = new Random(23);
    int[] shared = random.ints(SHARED, 0, vocabulary).toArray();
    List<GenerationRequest> requests = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      int own = 20 + random.nextInt(i % 8 == 0 ? 500 : 120);
      IntStream prompt = random.ints(own, 0, vocabulary);
      int[] ids = (i % 3 == 0 ? IntStream.concat(IntStream.of(shared), prompt) : prompt).toArray();
      // Long ones outgrow what was there when they were admitted, so that a small cache runs full.
      int answer = i % 4 == 1 ? 100 + random.nextInt(61) : 8 + random.nextInt(41);
      requests.add(GenerationRequest.generate(ids, params(i, answer)));
    }
    return requests;
  }

  private static SamplingParams params(int i, int answer) {
    return switch (i % 8) {
      case 1 -> sampled(answer, 0.8f, 0, 0.95f, 0f, 1f, i);
      case 3 -> sampled(answer, 1f, 50, 0.9f, 0f, 1.1f, i);
      case 5 -> sampled(answer, 1.2f, 0, 1f, 0.02f, 1f, i);
      case 7 -> sampled(answer, 0f, 0, 1f, 0f, 1.2f, i);
      default -> SamplingParams.greedy(answer);
    };
  }

  private static SamplingParams sampled(
      int answer, float temperature, int topK, float topP, float minP, float penalty, int seed) {
    return new SamplingParams(answer, temperature, topK, topP, minP, penalty, seed, List.of());
  }
}
