package io.sailfish.llama.engine;

import java.util.List;
import java.util.function.IntToDoubleFunction;

/** How many tokens to draft for each row so that a step is worth most for its time. */
final class DraftLengths {
  /**
   * A row of a step.
   *
   * @param drafted what each of its tokens is worth, the chance that it comes counted in; falling
   * @param sure what the token is worth that it gets without drafts
   */
  record Worth(double[] drafted, double sure) {}

  /**
   * @param lengths tokens for each row; all zero where drafts do not pay
   */
  record Choice(int[] lengths, int drafted) {
    static Choice none(int rows) {
      return new Choice(new int[rows], 0);
    }
  }

  /**
   * What a step with drafts is held against.
   *
   * @param most tokens in all
   * @param nanos what a step without drafts takes
   * @param gain what a step's worth for its time has to be multiplied by at least
   * @param extra time that drafts cost once, beside their step's
   * @param loss time that may be lost if no guess is right
   */
  record Terms(int most, double nanos, double gain, double extra, double loss) {}

  private final List<Worth> rows;
  private final int[] lengths;

  private DraftLengths(List<Worth> rows) {
    this.rows = rows;
    this.lengths = new int[rows.size()];
  }

  /**
   * Takes the most valuable tokens one after the other and keeps the number of them that is best.
   *
   * @param nanos time of a step of so many rows, drafted ones included
   */
  static Choice best(List<Worth> rows, Terms terms, IntToDoubleFunction nanos) {
    return new DraftLengths(rows).best(terms, nanos);
  }

  private Choice best(Terms terms, IntToDoubleFunction nanos) {
    Choice best = Choice.none(lengths.length);
    double bestRate = terms.gain() / terms.nanos();
    double sure = rows.stream().mapToDouble(Worth::sure).sum();
    double speed = 1;
    for (int drafted = 1; drafted <= terms.most(); drafted++) {
      int row = mostValuable();
      if (row < 0) {
        break;
      }
      speed += value(row) / sure;
      lengths[row]++;
      double took = nanos.applyAsDouble(lengths.length + drafted) + terms.extra();
      if (took - terms.nanos() > terms.loss()) {
        break;
      }
      if (speed / took > bestRate) {
        bestRate = speed / took;
        best = new Choice(lengths.clone(), drafted);
      }
    }
    return best;
  }

  /** The row whose next token is worth most, -1 when there is none left. */
  private int mostValuable() {
    int row = -1;
    double most = 0;
    for (int i = 0; i < lengths.length; i++) {
      if (value(i) > most) {
        most = value(i);
        row = i;
      }
    }
    return row;
  }

  private double value(int row) {
    double[] own = rows.get(row).drafted();
    return lengths[row] < own.length ? own[lengths[row]] : 0;
  }
}
