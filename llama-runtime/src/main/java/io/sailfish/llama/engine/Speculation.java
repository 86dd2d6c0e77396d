package io.sailfish.llama.engine;

import io.sailfish.llama.engine.Guesses.Guess;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;

/**
 * Proposes how rows go on, for a step to compute the tokens after the next one with it. What a
 * proposal says never reaches an answer: it is held against the token chosen at each position, so
 * only the number of steps depends on it (docs/adr/0012). Confined to the engine's thread.
 *
 * <p>Drafts are made where a step is worth more for its time with them than without: from how often
 * guesses came true, of the row and of all rows, and how long steps of so many rows took. What that
 * really gained is kept in a {@link DraftAccount}, which bounds what mistakes cost. Only steps of
 * decoding rows alone have drafts; beside prompts a row costs its full price.
 */
final class Speculation {
  /** Rows up to which it is looked at: with more a step has become compute-bound anywhere. */
  static final int MOST_ROWS = 32;

  /** Tokens by which a row is ahead of the last one when further ones are worth nothing. */
  private static final double AHEAD = 16;

  /** Looks before the first one that counts: enough for the code to be compiled. */
  private static final int REHEARSED = 512;

  /** What drafts have to gain to begin, as times are measured and chances guessed, and to go on. */
  private static final double TO_BEGIN = 1.08;

  private static final double TO_GO_ON = 1.02;

  private static final double NEWEST_WAIT = 0.2;

  private final EngineConfig config;
  private final Steps steps;
  private final Guesses looks;
  private final DraftAccount account = new DraftAccount();
  private final DraftTimes times;

  /** What a step without drafts takes longer when its tokens were waited for. */
  private double waitNanos;

  /** The proposal of the step that is measured next, null without drafts. */
  private Proposal proposal;

  /** Whether the step that is measured next was planned when all tokens were known. */
  private boolean settled;

  /** Whether they had to be waited for because of drafts, its own or those of the step before. */
  private boolean waited;

  /** The same for the step that is planned next. */
  private boolean waits;

  private boolean drafting;

  /**
   * What is known of an executor's steps.
   *
   * @param runAhead whether steps without drafts are queued before the tokens of those before are
   *     known; steps with drafts never are, and so take another time
   * @param filled rows that a step of so many is filled up to
   * @param warmUps steps of a number of rows that may take longer than all later ones
   * @param clock nanoseconds
   */
  record Steps(boolean runAhead, IntUnaryOperator filled, int warmUps, LongSupplier clock) {
    /** Where a size is recorded the first step of it takes memory and the second is recorded. */
    private static final int RECORDED = 2;

    static Steps of(StepExecutor executor) {
      boolean ahead = executor.runsAhead();
      return new Steps(ahead, executor::filledRows, ahead ? RECORDED : 0, System::nanoTime);
    }
  }

  /**
   * @param plain time of the step without drafts
   * @param most time with them that is put down to them: what is longer was delayed
   * @param rowsWait whether rows waited for a place
   */
  private record Proposal(double plain, double most, boolean rowsWait, List<Guess> guesses) {
    /**
     * Steps that it has made superfluous. With nobody waiting, by how much the last row has come
     * nearer to its end: what others are ahead of it counts when it follows.
     */
    double stepsGained(long accepted) {
      if (rowsWait) {
        return (double) accepted / guesses.size();
      }
      int before = guesses.stream().mapToInt(Guess::left).max().orElse(0);
      int after = guesses.stream().mapToInt(Guess::leftNow).max().orElse(0);
      return before - after - 1;
    }
  }

  Speculation(EngineConfig config, Steps steps) {
    this.config = config;
    this.steps = steps;
    this.looks = new Guesses(config, steps.clock());
    this.times = new DraftTimes(steps, 2 * MOST_ROWS);
  }

  /**
   * Looks for guesses where nobody waits for them and nothing is counted. Code that is loaded by
   * the first look takes as long as several steps of a card, and code that is not compiled yet more
   * than the share of a step: charged to guesses, that would forbid them for hundreds of steps.
   */
  void rehearse() {
    if (!config.drafting().isMeasured()) {
      return;
    }
    Sequence sequence = new Sequence(new int[1], List.of());
    RowDrafts drafts = new RowDrafts(Guesses.rates());
    for (int i = 1; i <= REHEARSED; i++) {
      sequence.append(i % Guesses.LONGEST);
      drafts.follow(sequence, Guesses.TAKEN_IN);
      int[] draft = drafts.draft(Guesses.LONGEST, config.stopIds());
      double[] chances = drafts.chances(draft.length);
      DraftLengths.best(
          worth(List.of(new Guess(sequence, draft, chances, i, Guesses.LONGEST)), false),
          new DraftLengths.Terms(draft.length, 1, TO_BEGIN, 0, 1),
          rows -> 1);
    }
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
    boolean pays = choose(guesses, scheduler, waitNanos).drafted() > 0;
    waits |= pays;
    return pays;
  }

  /** Hands drafts to the sequences that decode in the next step; their tokens have to be known. */
  void propose(Scheduler scheduler, Map<Sequence, Row> rows) {
    settled = true;
    waited = waits || drafting;
    waits = false;
    List<Guess> guesses = guesses(scheduler, rows);
    DraftLengths.Choice choice = choose(guesses, scheduler, 0);
    for (int i = 0; i < guesses.size(); i++) {
      Guess guess = guesses.get(i);
      guess.sequence().draft(Arrays.copyOf(guess.draft(), choice.lengths()[i]));
    }
    proposal = null;
    if (choice.drafted() > 0 && config.drafting().isMeasured()) {
      int count = guesses.size();
      double without = times.plain(count);
      double most = times.longest(count, choice.drafted(), without);
      proposal = new Proposal(without, most, scheduler.numWaiting() > 0, guesses);
    }
  }

  /**
   * Notes how long a step took, from the moment when the tokens of the one before were with their
   * rows until its own are.
   *
   * @param decoding rows of it that go on, drafted ones included
   * @param accepted drafted tokens that came true
   */
  void measured(BatchPlan plan, int decoding, long accepted, long nanos) {
    times.count();
    if (config.drafting().isMeasured()) {
      account.lose(looks.takeNanos());
      if (decoding == plan.rows()) {
        note(plan, decoding, accepted, nanos);
      }
      drafting = plan.drafts() > 0;
    }
    settled = false;
    waited = false;
    proposal = null;
  }

  private void note(BatchPlan plan, int rows, long accepted, long nanos) {
    if (plan.drafts() > 0) {
      times.noteDrafted(rows, nanos);
      if (proposal != null) {
        double took = Math.min(nanos, proposal.most());
        account.gain(proposal.stepsGained(accepted) * proposal.plain());
        account.lose(took - proposal.plain());
        account.step(proposal.plain());
      }
      return;
    }
    if (!steps.runAhead() || !settled) {
      times.notePlain(rows, nanos);
    }
    if (!times.knowsPlain(rows)) {
      return;
    }
    double usual = times.plain(rows);
    if (steps.runAhead() && settled && waited) {
      double longer = Math.max(0, Math.min(nanos, StepCosts.DELAYED * usual) - usual);
      waitNanos += NEWEST_WAIT * (longer - waitNanos);
      account.lose(longer);
    }
    account.step(usual);
  }

  private List<Guess> guesses(Scheduler scheduler, Map<Sequence, Row> rows) {
    if (config.drafting() == Drafting.OFF
        || config.drafting() == Drafting.AUTO && account.isOverdrawn()) {
      return List.of();
    }
    List<Sequence> decoding = scheduler.onlyDecoding(MOST_ROWS);
    return decoding.isEmpty() ? List.of() : looks.look(decoding, rows);
  }

  /**
   * @param extra what drafts cost beside their step
   */
  private DraftLengths.Choice choose(List<Guess> guesses, Scheduler scheduler, double extra) {
    int rows = guesses.size();
    boolean none = guesses.stream().allMatch(guess -> guess.chances().length == 0);
    int most = Math.min(scheduler.limits().scoreRows(), 2 * MOST_ROWS - rows);
    if (config.drafting() == Drafting.ALWAYS) {
      return DraftLengths.best(
          guesses.stream().map(Speculation::shares).toList(),
          new DraftLengths.Terms(most, 1, 0, 0, Double.POSITIVE_INFINITY),
          count -> 1);
    }
    if (none || !times.knowsPlain(rows)) {
      return DraftLengths.Choice.none(rows); // a step without drafts has to be measured first
    }
    double without = times.plain(rows);
    double loss = config.drafting() == Drafting.AUTO ? account.balance() : Double.POSITIVE_INFINITY;
    double gain = drafting ? TO_GO_ON : TO_BEGIN;
    return DraftLengths.best(
        worth(guesses, scheduler.numWaiting() > 0),
        new DraftLengths.Terms(
            Math.min(most, times.reach(rows) - rows), without, gain, extra, loss),
        count -> times.drafted(rows, count - rows, without));
  }

  /**
   * While rows wait for a place, a token is worth the same whoever gets it: tokens a second count.
   * Once nobody waits, those set the end that have most to come. A row that has come further than
   * them makes nobody ready earlier, so its tokens are worth the less the further ahead they would
   * bring it: all rows get some before one gets many. A row by itself is ahead of nobody.
   */
  private static List<DraftLengths.Worth> worth(List<Guess> guesses, boolean rowsWait) {
    int most = guesses.stream().mapToInt(Guess::left).max().orElse(0);
    return guesses.stream()
        .map(
            guess ->
                rowsWait || guesses.size() == 1
                    ? new DraftLengths.Worth(guess.chances(), 1)
                    : worth(guess.chances(), most - guess.left()))
        .toList();
  }

  private static DraftLengths.Worth worth(double[] chances, int ahead) {
    double[] worth = new double[chances.length];
    double comes = ahead;
    for (int i = 0; i < chances.length; i++) {
      worth[i] = chances[i] * inReach(comes);
      comes += chances[i];
    }
    return new DraftLengths.Worth(worth, inReach(ahead));
  }

  private static double inReach(double ahead) {
    return Math.max(0, 1 - ahead / AHEAD);
  }

  /** As if each were as likely as the others of its place: every row has its share. */
  private static DraftLengths.Worth shares(Guess guess) {
    int length = guess.draft().length;
    return new DraftLengths.Worth(
        IntStream.rangeClosed(1, length).mapToDouble(i -> 1.0 / i).toArray(), 1);
  }
}
