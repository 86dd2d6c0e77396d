package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final int VOCABULARY = 1000;
  private static final int[] NONE = {};

  private final Sampler sampler = new Sampler(VOCABULARY);

  @Test
  void greedyTakesTheLowestIdOfEqualLogits() {
    float[] logits = new float[VOCABULARY];
    logits[700] = logits[300] = 5;
    assertEquals(300, sampler.sample(logits, SamplingParams.greedy(1), NONE, 0, 0));
  }

  @Test
  void aNaNAnywhereGivesNoToken() {
    float[] logits = logits(1);
    logits[999] = Float.NaN;
    assertEquals(-1, sampler.sample(logits, SamplingParams.greedy(1), NONE, 0, 0));
    assertEquals(-1, sampler.sample(logits, params(1, 0, 1, 0, 1, 3), NONE, 0, 0));
  }

  @Test
  void everyFilterDrawsFromWhatItsDefinitionKeepsAndFromAllOfIt() {
    for (SamplingParams params :
        List.of(
            params(1, 5, 1, 0, 1, 0),
            params(0.7f, 0, 0.6f, 0, 1, 0),
            params(1.5f, 0, 1, 0.2f, 1, 0),
            params(1, 40, 0.8f, 0.05f, 1, 0),
            params(3, 0, 0.97f, 0, 1, 0),
            params(0.01f, 0, 0.5f, 0, 1, 0))) {
      float[] logits = logits(7);
      List<Integer> kept = definition(logits, params);
      Set<Integer> drawn = new HashSet<>();
      for (int i = 0; i < 60 * kept.size() + 100; i++) {
        drawn.add(sampler.sample(logits, seeded(params, i), NONE, 0, 0));
      }
      assertTrue(kept.containsAll(drawn), params + " drew outside");
      assertTrue(
          drawn.size() >= kept.size() * 0.8, params + ": " + drawn.size() + "/" + kept.size());
    }
  }

  @Test
  void tokensAreDrawnAsOftenAsTheirProbability() {
    float[] logits = new float[VOCABULARY];
    java.util.Arrays.fill(logits, -100);
    logits[1] = (float) Math.log(0.5);
    logits[2] = (float) Math.log(0.3);
    logits[3] = (float) Math.log(0.2);
    for (SamplingParams params : List.of(params(1, 0, 1, 0, 1, 0), params(1, 3, 1, 0, 1, 0))) {
      int[] counts = new int[VOCABULARY];
      for (int i = 0; i < 20_000; i++) {
        counts[sampler.sample(logits, seeded(params, i), NONE, 0, 0)]++;
      }
      assertEquals(10_000, counts[1], 400);
      assertEquals(6_000, counts[2], 400);
      assertEquals(4_000, counts[3], 400);
    }
  }

  @Test
  void thePenaltyCountsEachSeenTokenOnceAndOnlyTheRowsOwn() {
    float[] logits = new float[VOCABULARY];
    java.util.Arrays.fill(logits, -50);
    logits[1] = 4;
    logits[2] = 3;
    logits[3] = -50;
    SamplingParams params = params(0, 0, 1, 0, 1.5f, 0);
    float[] first = logits.clone();
    assertEquals(2, sampler.sample(first, params, new int[] {1, 1, 3, 1, 9}, 4, 0));
    assertEquals(4 / 1.5f, first[1]);
    assertEquals(-75, first[3]);
    assertEquals(-50, first[9], "past the length");
    float[] second = logits.clone();
    assertEquals(1, sampler.sample(second, params, new int[] {7}, 1, 0), "another row");
  }

  @Test
  void theDrawDependsOnSeedPromptAndPosition() {
    SamplingParams params = params(1, 0, 1, 0, 1, 11);
    float[] flat = new float[VOCABULARY];
    int[] tokens = IntStream.range(0, 50).toArray();
    Set<Integer> byPosition = new HashSet<>();
    Set<Integer> byPrompt = new HashSet<>();
    for (int i = 0; i < 50; i++) {
      byPosition.add(sampler.sample(flat, params, tokens, i, 5));
      byPrompt.add(sampler.sample(flat, params, tokens, 3, Sampler.hash(new int[] {i})));
      assertEquals(
          sampler.sample(flat, params, tokens, i, 5),
          new Sampler(VOCABULARY).sample(flat, params, tokens, i, 5));
    }
    assertTrue(byPosition.size() > 40);
    assertTrue(byPrompt.size() > 40);
  }

  /** Straight from the definitions: sort all, filter one after the other. */
  private static List<Integer> definition(float[] logits, SamplingParams params) {
    List<Integer> order = new ArrayList<>(IntStream.range(0, VOCABULARY).boxed().toList());
    order.sort(Comparator.comparingDouble((Integer i) -> -logits[i]).thenComparing(i -> i));
    if (params.topK() > 0) {
      order = order.subList(0, params.topK());
    }
    double[] weight = new double[VOCABULARY];
    double total = 0;
    for (int i : order) {
      weight[i] = Math.exp((logits[i] - logits[order.get(0)]) / params.temperature());
      total += weight[i];
    }
    List<Integer> kept = new ArrayList<>();
    double sum = 0;
    for (int i : order) {
      if (sum < params.topP() * total && weight[i] >= params.minP()) {
        kept.add(i);
      }
      sum += weight[i];
    }
    return kept;
  }

  private static float[] logits(int seed) {
    Random random = new Random(seed);
    float[] logits = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      logits[i] = (float) random.nextGaussian() * 2;
    }
    return logits;
  }

  private static SamplingParams params(
      float temperature, int topK, float topP, float minP, float penalty, long seed) {
    return new SamplingParams(1, temperature, topK, topP, minP, penalty, seed, List.of());
  }

  private static SamplingParams seeded(SamplingParams p, long seed) {
    return params(p.temperature(), p.topK(), p.topP(), p.minP(), p.repetitionPenalty(), seed);
  }
}
