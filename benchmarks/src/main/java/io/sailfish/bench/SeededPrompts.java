package io.sailfish.bench;

import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Requests of a seed: the same on every machine. */
final class SeededPrompts {
  /** Past the special tokens of the vocabularies we measure with, below their end. */
  private static final int FIRST_TOKEN = 300;

  private static final int NUM_TOKENS = 30_000;

  private SeededPrompts() {}

  /**
   * @param shared tokens that all prompts start with, as rows of one task do
   * @param least fewest tokens after them
   * @param most most tokens after them
   */
  record Shape(int shared, int least, int most) {}

  static List<GenerationRequest> make(int rows, long seed, Shape shape, SamplingParams params) {
    Random random = new Random(seed);
    int[] start = tokens(random, shape.shared());
    List<GenerationRequest> requests = new ArrayList<>(rows);
    for (int i = 0; i < rows; i++) {
      int[] own = tokens(random, shape.least() + random.nextInt(shape.most() - shape.least() + 1));
      int[] prompt = IntStream.concat(IntStream.of(start), IntStream.of(own)).toArray();
      requests.add(GenerationRequest.generate(prompt, params));
    }
    return requests;
  }

  static int[] tokens(Random random, int count) {
    return IntStream.range(0, count).map(i -> FIRST_TOKEN + random.nextInt(NUM_TOKENS)).toArray();
  }
}
