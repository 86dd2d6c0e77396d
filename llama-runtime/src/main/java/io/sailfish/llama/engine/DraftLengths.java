package io.sailfish.llama.engine;

import java.util.List;
import java.util.function.IntToDoubleFunction;

/** How many tokens to draft for each row so that a step gives most tokens a second. */
final class DraftLengths {
  /** What drafts have to gain at least: times are measured and chances guessed. */
  private static final double GAIN = 1.05;

  private DraftLengths() {}

  /**
   * Takes the likeliest tokens one after the other and keeps the number of them that is best.
   *
   * @param chances of each row's tokens, falling
   * @param most tokens in all
   * @param plain time of a step without drafts
   * @param nanos time of a step of so many rows, drafted ones included
   * @return tokens for each row; all zero where drafts do not pay
   */
  static int[] best(List<double[]> chances, int most, double plain, IntToDoubleFunction nanos) {
    int rows = chances.size();
    int[] lengths = new int[rows];
    int[] best = new int[rows];
    double tokens = rows;
    double bestRate = GAIN * rows / plain;
    for (int drafted = 1; drafted <= most; drafted++) {
      int row = likeliest(chances, lengths);
      if (row < 0) {
        break;
      }
      tokens += chances.get(row)[lengths[row]++];
      double rate = tokens / nanos.applyAsDouble(rows + drafted);
      if (rate > bestRate) {
        bestRate = rate;
        best = lengths.clone();
      }
    }
    return best;
  }

  /** The row whose next token is likeliest, -1 when there is none left. */
  private static int likeliest(List<double[]> chances, int[] lengths) {
    int row = -1;
    double chance = 0;
    for (int i = 0; i < lengths.length; i++) {
      double[] own = chances.get(i);
      if (lengths[i] < own.length && own[lengths[i]] > chance) {
        chance = own[lengths[i]];
        row = i;
      }
    }
    return row;
  }
}
