package io.sailfish.llama.engine;

import java.util.Arrays;

/** How often the token that a {@link DraftIndex} expects comes, by the length of the run found. */
final class HitRates {
  /**
   * Before anything is known: too little to pay where rows have a price, until a guess was right.
   */
  private static final double START = 0.3;

  /** The start counts as so many observations. */
  private static final int START_COUNTS = 2;

  private final double[] rates;
  private final int[] seen = new int[DraftIndex.MOST + 1];

  /** What the newest observation counts at least; the first ones count more. */
  private final double newest;

  HitRates(double newest) {
    this.newest = newest;
    this.rates = new double[DraftIndex.MOST + 1];
    Arrays.fill(rates, START);
  }

  /**
   * Starts with what another one knows, but no better than if nothing were known: a few hits make
   * that up, while wrong guesses cost time.
   */
  HitRates(double newest, HitRates known) {
    this.newest = newest;
    this.rates = Arrays.stream(known.rates).map(rate -> Math.min(START, rate)).toArray();
  }

  void note(int matched, boolean hit) {
    double weight = Math.max(newest, 1.0 / (++seen[matched] + START_COUNTS));
    rates[matched] += weight * ((hit ? 1 : 0) - rates[matched]);
  }

  /**
   * Chances of {@code count} tokens after a run of {@code matched}: of each that it and all before
   * it come, where every one that came makes the run longer.
   */
  double[] chances(int matched, int count) {
    double[] chances = new double[count];
    double chance = 1;
    for (int i = 0; i < count; i++) {
      chance *= rates[Math.min(matched + i, DraftIndex.MOST)];
      chances[i] = chance;
    }
    return chances;
  }
}
