package io.sailfish.kernels.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RankingTest {
  @Test
  void ranksAreThoseOfAStableSortHoweverManyAreAskedFor() {
    for (int size : new int[] {1, 63, 64, 1000, 4095, 4097, 20_000}) {
      Ranking ranking = new Ranking(size);
      for (int seed = 0; seed < 4; seed++) {
        Random random = new Random(seed);
        float[] logits = new float[size];
        for (int i = 0; i < size; i++) {
          // Few different values in half of the rows, so that ties are common; both zeros occur.
          logits[i] =
              seed % 2 == 0 ? (float) random.nextGaussian() : random.nextInt(5) * -0f - i % 3;
        }
        ranking.reset(logits);
        List<Integer> sorted =
            IntStream.range(0, size)
                .boxed()
                .sorted(
                    Comparator.comparingDouble((Integer i) -> -(logits[i] + 0f))
                        .thenComparing(i -> i))
                .toList();
        int ranks = seed < 2 ? Math.min(size, 50) : size;
        for (int rank = 0; rank < ranks; rank++) {
          assertEquals(sorted.get(rank), ranking.token(rank), size + " tokens, rank " + rank);
        }
      }
    }
  }
}
