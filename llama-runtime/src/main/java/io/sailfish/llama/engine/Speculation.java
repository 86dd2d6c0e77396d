package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Proposes how rows go on, for a step to compute the tokens after the next one with it. What a
 * proposal says never reaches an answer: it is held against the token chosen at each position, so
 * only the number of steps depends on it (docs/adr/0012). Confined to the engine's thread.
 *
 * <p>Drafts are made where the expected tokens a second are more with them than without: from how
 * often guesses came true, of the row and of all rows, and how long steps of so many rows took.
 * Only steps of decoding rows alone have drafts; beside prompts a row costs its full price.
 */
final class Speculation {
  /** Rows up to which it is looked at: with more a step has become compute-bound anywhere. */
  static final int MOST_ROWS = 32;

  /** Longest draft of a row: beyond it there is hardly a chance left. */
  private static final int LONGEST = 16;

  private static final double NEWEST = 1.0 / 64;

  private final EngineConfig config;
  private final HitRates rates = new HitRates(NEWEST);
  private final StepCosts plain;
  private final StepCosts drafted;
  private long step;

  /** A row and what may be drafted for it. */
  private record Guess(Sequence sequence, int[] draft, double[] chances) {}

  /**
   * @param runsAhead whether steps without drafts are queued before the tokens of those before are
   *     known; steps with drafts never are, and so take another time
   */
  Speculation(EngineConfig config, boolean runsAhead) {
    this.config = config;
    this.plain = new StepCosts(2 * MOST_ROWS);
    this.drafted = runsAhead ? new StepCosts(2 * MOST_ROWS) : plain;
  }

  /**
   * Whether drafts seem to pay in the next step. Asked before the newest tokens are known, since
   * waiting for them has a price where a device runs ahead.
   */
  boolean pays(Scheduler scheduler, Map<Sequence, Row> rows) {
    List<Guess> guesses = guesses(scheduler, rows);
    if (config.drafting() == Drafting.ALWAYS) {
      return !guesses.isEmpty(); // what there is to guess shows with the newest tokens
    }
    return Arrays.stream(lengths(guesses, scheduler)).anyMatch(length -> length > 0);
  }

  /** Hands drafts to the sequences that decode in the next step; their tokens have to be known. */
  void propose(Scheduler scheduler, Map<Sequence, Row> rows) {
    List<Guess> guesses = guesses(scheduler, rows);
    int[] lengths = lengths(guesses, scheduler);
    for (int i = 0; i < lengths.length; i++) {
      Guess guess = guesses.get(i);
      guess.sequence().draft(Arrays.copyOf(guess.draft(), lengths[i]));
    }
  }

  /**
   * Notes how long a step took.
   *
   * @param decoding rows of it that go on, drafted ones included
   */
  void measured(BatchPlan plan, int decoding, long nanos) {
    step++;
    if (config.drafting() == Drafting.ON && decoding == plan.rows()) {
      (plan.drafts() > 0 ? drafted : plain).note(decoding, nanos, step);
    }
  }

  private List<Guess> guesses(Scheduler scheduler, Map<Sequence, Row> rows) {
    if (config.drafting() == Drafting.OFF) {
      return List.of();
    }
    List<Guess> guesses = new ArrayList<>();
    for (Sequence sequence : scheduler.onlyDecoding(MOST_ROWS)) {
      Row row = rows.get(sequence);
      if (row.drafts == null) {
        row.drafts = new RowDrafts(rates);
      }
      row.drafts.follow(sequence);
      int[] draft = row.drafts.draft(most(row), config.stopIds());
      guesses.add(new Guess(sequence, draft, row.drafts.chances(draft.length)));
    }
    return guesses;
  }

  /** The step gives one token more than was drafted, and the last token of all is not computed. */
  private int most(Row row) {
    int length = row.sequence.length();
    int left = row.params.maxTokens() - (length - row.sequence.promptLength()) - 1;
    return Math.max(0, Math.min(LONGEST, Math.min(left, config.contextTokens() - length)));
  }

  private int[] lengths(List<Guess> guesses, Scheduler scheduler) {
    int rows = guesses.size();
    int most = Math.min(scheduler.limits().scoreRows(), 2 * MOST_ROWS - rows);
    if (config.drafting() == Drafting.ALWAYS) {
      List<double[]> fair = new ArrayList<>();
      for (Guess guess : guesses) {
        fair.add(
            IntStream.rangeClosed(1, guess.draft().length).mapToDouble(i -> 1.0 / i).toArray());
      }
      return DraftLengths.best(fair, most, Double.POSITIVE_INFINITY, count -> 1);
    }
    if (!plain.knows(rows, step)) {
      return new int[rows]; // a step without drafts has to be measured first
    }
    double without = plain.nanos(rows, step);
    boolean measured = drafted.knowsAny(step);
    return DraftLengths.best(
        guesses.stream().map(Guess::chances).toList(),
        most,
        without,
        count -> measured ? drafted.nanos(count, step) : StepCosts.guess(without, count - rows));
  }
}
