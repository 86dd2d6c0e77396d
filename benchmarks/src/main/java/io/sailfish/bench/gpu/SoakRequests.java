package io.sailfish.bench.gpu;

import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * An endless list of requests of mixed lengths, a third of which start alike and a quarter of which
 * are sampled. Number i and number i + {@link #PERIOD} are the same request. The first ones of a
 * period have short prompts and long answers: rows of a cache that took them in outgrow it.
 */
final class SoakRequests {
  /** So many differ; each comes again in other company. */
  static final int PERIOD = 1024;

  private static final int GROWING = 256;
  private static final int SHARED = 80;
  private static final float TEMPERATURE = 0.8f;
  private static final float TOP_P = 0.95f;
  private static final int TOP_K = 50;

  private final int vocabulary;
  private final int context;
  private final int[] shared;

  /**
   * @param context tokens that prompt and answer may have together, at least 200
   */
  SoakRequests(int vocabulary, int context) {
    this.vocabulary = vocabulary;
    this.context = context;
    this.shared = new Random(29).ints(SHARED, 0, vocabulary).toArray();
  }

  GenerationRequest request(long number) {
    int i = (int) (number % PERIOD);
    Random random = new Random(31L * i + 7);
    if (i < GROWING) {
      int[] ids = random.ints(1 + random.nextInt(16), 0, vocabulary).toArray();
      return GenerationRequest.generate(ids, params(i, 150 + random.nextInt(14)));
    }
    int answer = 4 + random.nextInt(random.nextInt(4) == 0 ? 160 : 48);
    int longest = context - SHARED - 164;
    int own = 1 + random.nextInt(i % 8 == 0 ? longest : Math.min(longest, 120));
    IntStream prompt = random.ints(own, 0, vocabulary);
    int[] ids = (i % 3 == 0 ? IntStream.concat(IntStream.of(shared), prompt) : prompt).toArray();
    return GenerationRequest.generate(ids, params(i, answer));
  }

  private static SamplingParams params(int i, int answer) {
    return i % 4 != 1
        ? SamplingParams.greedy(answer)
        : new SamplingParams(answer, TEMPERATURE, TOP_K, TOP_P, 0f, 1f, i, List.of());
  }
}
