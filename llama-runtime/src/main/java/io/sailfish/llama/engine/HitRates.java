package io.sailfish.llama.engine;

import java.util.Arrays;

/** How often the token that a {@link DraftIndex} expects comes, by the length of the run found. */
final class HitRates {
  /** Nothing is known at first. */
  private static final double START = 0.5;

  private final double[] rates;

  /** What the newest observation counts. */
  private final double newest;

  HitRates(double newest) {
    this.newest = newest;
    this.rates = new double[DraftIndex.MOST + 1];
    Arrays.fill(rates, START);
  }

  /** Starts with what another one knows. */
  HitRates(double newest, HitRates known) {
    this.newest = newest;
    this.rates = known.rates.clone();
  }

  void note(int matched, boolean hit) {
    rates[matched] += newest * ((hit ? 1 : 0) - rates[matched]);
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
