package io.sailfish.kernels.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Every choice against the definition written down once more, by sorting all and big integers. */
class TokenChooserTest {
  private static final int VOCABULARY = 1000;
  private static final int[] NONE = {};

  private final TokenChooser chooser = new TokenChooser(VOCABULARY);

  @Test
  void everyChoiceIsTheDefinitions() {
    Random random = new Random(5);
    float[] temperatures = {0f, 1e-30f, 0.01f, 0.3f, 1f, 2.5f, 100f};
    int[] topKs = {0, 1, 2, 40, 999, 1000, 5000};
    float[] topPs = {1f, 0.999f, 0.9f, 0.5f, 1e-10f};
    float[] minPs = {0f, 1e-6f, 0.05f, 0.999f};
    float[] penalties = {1f, 1.3f, 0.7f, 100f};
    int[] tokens = IntStream.range(0, 60).map(i -> random.nextInt(VOCABULARY / 8)).toArray();
    Set<Integer> seen = new HashSet<>();
    for (int i = 0; i < 3000; i++) {
      TokenChoice how =
          TokenChoice.of(
              any(random, temperatures),
              topKs[random.nextInt(topKs.length)],
              any(random, topPs),
              any(random, minPs),
              any(random, penalties),
              random.nextLong(),
              random.nextLong());
      float[] logits = logits(random, i % 8);
      int[] mask = i % 5 == 0 ? mask(random, i % 3) : null;
      int length = random.nextInt(tokens.length);
      int expected = definition(logits.clone(), how, tokens, length, mask);
      assertEquals(expected, chooser.choose(logits, how, tokens, length, mask), how + ", row " + i);
      seen.add(expected);
    }
    assertTrue(seen.size() > 200, "different tokens: " + seen.size());
    assertTrue(seen.contains(TokenChooser.NOT_A_NUMBER) && seen.contains(TokenChooser.NO_TOKEN));
  }

  @Test
  void ofEqualLogitsTheLowestIdsRankFirst() {
    float[] logits = new float[VOCABULARY];
    Arrays.fill(logits, -30f);
    assertEquals(0, choose(logits, TokenChoice.GREEDY));
    assertEquals(0, choose(logits, sampled(1f, 1, 1f, 0f, 9)));
    logits[700] = logits[300] = 5;
    assertEquals(300, choose(logits, TokenChoice.GREEDY));
    for (int seed = 0; seed < 50; seed++) {
      assertEquals(300, choose(logits, sampled(50f, 1, 1f, 0f, seed)), "top-k of one is greedy");
      assertEquals(300, choose(logits, sampled(1f, 0, 0.5f, 0f, seed)), "half of two equals");
    }
  }

  @Test
  void evenlySpreadLogitsAreAllDrawnEquallyOften() {
    float[] logits = new float[VOCABULARY];
    int[] counts = new int[VOCABULARY];
    for (int i = 0; i < 100_000; i++) {
      counts[choose(logits, sampled(1f, 0, 1f, 0f, i))]++;
    }
    for (int count : counts) {
      assertEquals(100, count, 55);
    }
  }

  @Test
  void tokensAreDrawnAsOftenAsTheirProbability() {
    float[] logits = new float[VOCABULARY];
    Arrays.fill(logits, -100);
    logits[1] = (float) Math.log(0.5);
    logits[2] = (float) Math.log(0.3);
    logits[3] = (float) Math.log(0.2);
    for (TokenChoice how : List.of(sampled(1, 0, 1, 0, 0), sampled(1, 3, 1, 0, 0))) {
      int[] counts = new int[VOCABULARY];
      for (int i = 0; i < 20_000; i++) {
        counts[choose(logits, seeded(how, i))]++;
      }
      assertEquals(10_000, counts[1], 400);
      assertEquals(6_000, counts[2], 400);
      assertEquals(4_000, counts[3], 400);
    }
  }

  @Test
  void aTinyTemperatureIsGreedyAndAHugeOneLevelsAll() {
    float[] logits = logits(new Random(3), 0);
    int best = choose(logits, TokenChoice.GREEDY);
    Set<Integer> flat = new HashSet<>();
    for (int seed = 0; seed < 400; seed++) {
      assertEquals(best, choose(logits, sampled(Float.MIN_VALUE, 0, 1f, 0f, seed)));
      assertEquals(best, choose(logits, sampled(1f, 0, 1f, Math.nextDown(1f), seed)));
      flat.add(choose(logits, sampled(100f, 0, 1f, 0f, seed)));
    }
    assertTrue(flat.size() > 300, flat.size() + " tokens of 400 draws");
  }

  @Test
  void whatTheMaskLeavesIsChosen() {
    float[] logits = logits(new Random(3), 0);
    logits[17] = Float.NaN; // excluded, so that nobody minds
    int[] one = new int[(VOCABULARY + 31) / 32];
    one[999 / 32] |= 1 << 999 % 32;
    for (TokenChoice how : List.of(TokenChoice.GREEDY, sampled(1f, 5, 0.9f, 0.1f, 3))) {
      assertEquals(999, chooser.choose(logits.clone(), how, NONE, 0, one));
      int[] none = new int[one.length];
      assertEquals(
          TokenChooser.NO_TOKEN, chooser.choose(logits.clone(), how, NONE, 0, none), "no token");
    }
  }

  @Test
  void whatIsNoNumberIsRefusedAndInfinityIsTheLargest() {
    for (TokenChoice how : List.of(TokenChoice.GREEDY, sampled(1f, 0, 0.9f, 0f, 3))) {
      float[] logits = logits(new Random(4), 0);
      logits[5] = logits[400] = Float.POSITIVE_INFINITY;
      assertEquals(5, choose(logits, how));
      logits[999] = Float.NaN;
      assertEquals(TokenChooser.NOT_A_NUMBER, choose(logits, how));
      Arrays.fill(logits, Float.NEGATIVE_INFINITY);
      assertEquals(TokenChooser.NO_TOKEN, choose(logits, how));
      logits[321] = -3e38f;
      assertEquals(321, choose(logits, how));
    }
  }

  @Test
  void thePenaltyCountsEachSeenTokenOnceAndOnlyTheRowsOwn() {
    float[] logits = new float[VOCABULARY];
    Arrays.fill(logits, -50);
    logits[1] = 4;
    logits[2] = 3;
    TokenChoice how = TokenChoice.of(0f, 0, 1f, 0f, 1.5f, 0, 0);
    float[] first = logits.clone();
    assertEquals(2, chooser.choose(first, how, new int[] {1, 1, 3, 1, 9}, 4, null));
    assertEquals(4 / 1.5f, first[1]);
    assertEquals(-75, first[3]);
    assertEquals(-50, first[9], "past the length");
    float[] second = logits.clone();
    assertEquals(1, chooser.choose(second, how, new int[] {7}, 1, null), "another row");
  }

  @Test
  void theDrawDependsOnSeedStreamAndPosition() {
    float[] flat = new float[VOCABULARY];
    int[] tokens = IntStream.range(0, 50).toArray();
    Set<Integer> byPosition = new HashSet<>();
    Set<Integer> byStream = new HashSet<>();
    Set<Integer> bySeed = new HashSet<>();
    for (int i = 0; i < 50; i++) {
      TokenChoice how = TokenChoice.of(1f, 0, 1f, 0f, 1f, 11, 5);
      byPosition.add(chooser.choose(flat, how, tokens, i, null));
      TokenChoice stream = TokenChoice.of(1f, 0, 1f, 0f, 1f, 11, (long) i << 32);
      byStream.add(chooser.choose(flat, stream, tokens, 3, null));
      bySeed.add(chooser.choose(flat, seeded(how, (long) i << 32), tokens, 3, null));
      assertEquals(
          chooser.choose(flat, how, tokens, i, null),
          new TokenChooser(VOCABULARY).choose(flat, how, tokens, i, null));
    }
    assertTrue(byPosition.size() > 40 && byStream.size() > 40 && bySeed.size() > 40);
  }

  @Test
  void parametersArePackedAsTheCardReadsThem() {
    int[] packed = new int[TokenChoice.PACKED + 1];
    TokenChoice.of(0.5f, 7, 0.25f, 0.5f, 1.5f, -2L, 0x500000003L).pack(4, packed, 1);
    float scale = (float) (2 / Math.log(2));
    int[] expected = {
      0,
      Float.floatToIntBits(scale),
      Float.floatToIntBits(1.5f),
      7,
      1 << 30,
      0,
      1 << 6,
      -2,
      -1,
      3,
      5,
      5,
      0
    };
    assertEquals(Arrays.toString(expected), Arrays.toString(packed));
    TokenChoice.GREEDY.pack(-1, packed, 1);
    assertEquals(0, IntStream.of(packed).map(Math::abs).sum(), "zeros are greedy");
  }

  /** Rows of several kinds: smooth, few values and so many ties, infinities, one token alone. */
  private static float[] logits(Random random, int kind) {
    float[] logits = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      logits[i] =
          switch (kind) {
            case 0, 1 -> (float) random.nextGaussian() * 2;
            case 2 -> random.nextInt(5) * -0f - i % 3;
            case 3 -> random.nextInt(50) / 8f;
            case 4 -> random.nextInt(3) > 0 ? Float.NEGATIVE_INFINITY : random.nextFloat();
            case 5 -> random.nextFloat() * 1e30f;
            case 6 -> Float.NEGATIVE_INFINITY;
            default -> 7.5f;
          };
    }
    if (kind == 6) {
      logits[random.nextInt(VOCABULARY)] = random.nextInt(4) == 0 ? Float.NaN : -1e30f;
    }
    return logits;
  }

  private static int[] mask(Random random, int kind) {
    int[] mask = new int[(VOCABULARY + 31) / 32];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = kind == 0 ? random.nextInt() : kind == 1 ? random.nextInt() & 1 << i : 0;
    }
    return mask;
  }

  private static int definition(
      float[] logits, TokenChoice how, int[] tokens, int length, int[] mask) {
    for (int i = 0; i < VOCABULARY; i++) {
      if (mask != null && (mask[i / 32] & 1 << i % 32) == 0) {
        logits[i] = Float.NEGATIVE_INFINITY;
      }
    }
    for (int token : IntStream.of(tokens).limit(length).distinct().toArray()) {
      float penalty = how.repetitionPenalty();
      logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    }
    for (float logit : logits) {
      if (Float.isNaN(logit)) {
        return TokenChooser.NOT_A_NUMBER;
      }
    }
    List<Integer> order = new ArrayList<>(IntStream.range(0, VOCABULARY).boxed().toList());
    order.sort(Comparator.comparingDouble((Integer i) -> -(logits[i] + 0f)).thenComparing(i -> i));
    float best = logits[order.get(0)];
    if (best == Float.NEGATIVE_INFINITY) {
      return TokenChooser.NO_TOKEN;
    }
    if (how.greedy() || best == Float.POSITIVE_INFINITY) {
      return order.get(0);
    }
    if (how.topK() > 0) {
      order = order.subList(0, Math.min(how.topK(), VOCABULARY));
    }
    if (how.topP() != 0) {
      BigInteger share = BigInteger.valueOf(Integer.toUnsignedLong(how.topP()));
      BigInteger enough = sum(order, logits, best, how).multiply(share).shiftRight(32);
      int count = 1;
      long sum = TokenWeight.ONE;
      while (BigInteger.valueOf(sum).compareTo(enough) < 0) {
        sum += TokenWeight.of(logits[order.get(count++)], best, how.scale());
      }
      order = order.subList(0, count);
    }
    List<Integer> kept =
        order.stream()
            .filter(i -> TokenWeight.of(logits[i], best, how.scale()) >= how.minWeight())
            .sorted()
            .toList();
    BigInteger random =
        new BigInteger(Long.toUnsignedString(Philox.bits(how.seed(), length, how.stream())));
    BigInteger drawn = sum(kept, logits, best, how).multiply(random).shiftRight(64);
    int at = -1;
    for (long sum = 0; BigInteger.valueOf(sum).compareTo(drawn) <= 0; ) {
      sum += TokenWeight.of(logits[kept.get(++at)], best, how.scale());
    }
    return kept.get(at);
  }

  private static BigInteger sum(List<Integer> tokens, float[] logits, float best, TokenChoice how) {
    long sum = 0;
    for (int token : tokens) {
      sum = Math.addExact(sum, TokenWeight.of(logits[token], best, how.scale()));
    }
    return BigInteger.valueOf(sum);
  }

  private int choose(float[] logits, TokenChoice how) {
    return chooser.choose(logits.clone(), how, NONE, 0, null);
  }

  private static float any(Random random, float[] values) {
    return values[random.nextInt(values.length)];
  }

  private static TokenChoice sampled(
      float temperature, int topK, float topP, float minP, long seed) {
    return TokenChoice.of(temperature, topK, topP, minP, 1f, seed, 0);
  }

  private static TokenChoice seeded(TokenChoice c, long seed) {
    return new TokenChoice(
        c.scale(), c.repetitionPenalty(), c.topK(), c.topP(), c.minWeight(), seed, c.stream());
  }
}
