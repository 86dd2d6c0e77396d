package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import java.util.Arrays;

/**
 * Log-probabilities of the tokens that steps score, where a device has the logits: it is told the
 * tokens and the rows they follow, and sends back what their log-probabilities are made of
 * (docs/adr/0013), four integers a token instead of a row of logits. Engine's thread.
 */
final class StepScores {
  /**
   * Tokens of one round: all that a step scores unless its prompts have hundreds of continuations
   * each.
   */
  static final int ROUND = 8192;

  /** Row and token. */
  static final int ASKED = 2;

  /** See {@link Backend#logProbTerms}. */
  static final int TERM = 4;

  private final Backend backend;
  private final StepTransfers transfers;
  private final int round;
  private final IntTensor asked;
  private final IntTensor rows;
  private final IntTensor tokens;
  private final IntTensor terms;

  StepScores(Backend backend, StepTransfers transfers) {
    this(backend, transfers, ROUND);
  }

  /**
   * @param round tokens of one round, at most {@link #ROUND}
   */
  StepScores(Backend backend, StepTransfers transfers, int round) {
    this.backend = backend;
    this.transfers = transfers;
    this.round = round;
    this.asked = backend.ints(ASKED * round, "tokens that are scored");
    this.rows = backend.part(asked, 0, round);
    this.tokens = backend.part(asked, round, round);
    this.terms = backend.ints(TERM * round, "what scores are made of");
  }

  /** What a step scores; readable as long as the step's tokens are, and once those have come. */
  static final class Scores {
    private final double[] early;
    private final StepTransfers.Arrival last;

    private Scores(double[] early, StepTransfers.Arrival last) {
      this.early = early;
      this.last = last;
    }

    /** The {@code index}-th score in the order of the plan's parts. */
    double get(int index) {
      return index < early.length ? early[index] : of(last, index - early.length);
    }

    private static double of(StepTransfers.Arrival terms, int index) {
      int at = TERM * index;
      return LogProbs.ofTerm(
          terms.get(at), terms.get(at + 1), terms.get(at + 2), terms.get(at + 3));
    }
  }

  /**
   * Queues the scoring of a plan behind the pass of its prompts, which has all rows that are
   * scored. Does not wait, unless there are more than a round's tokens: then for all rounds but the
   * last.
   *
   * @param logits of that pass, a row for each that it wants
   */
  Scores queue(BatchPlan plan, StepPass pass, Tensor logits) {
    int count = plan.scored();
    if (count == 0) {
      return null;
    }
    int[] places = new int[plan.logitRows().length];
    Arrays.fill(places, -1);
    for (int i = 0; i < pass.logits().length; i++) {
      places[pass.logits()[i]] = i;
    }
    int[] pairs = new int[ASKED * count];
    int at = 0;
    for (BatchPlan.Part part : plan.parts()) {
      for (int i = 0; i < part.scored(); i++, at++) {
        pairs[at] = places[part.scoredRow(i)];
        pairs[count + at] = part.scoredToken(i);
      }
    }
    double[] early = new double[(count - 1) / round * round];
    int place = transfers.reserve(ASKED * Math.min(round, count));
    for (int from = 0; from < early.length; from += round) {
      StepTransfers.Arrival arrival = ask(pairs, from, round, place, logits);
      arrival.await();
      for (int i = 0; i < round; i++) {
        early[from + i] = Scores.of(arrival, i);
      }
    }
    int rest = count - early.length;
    return new Scores(early, ask(pairs, early.length, rest, place, logits));
  }

  private StepTransfers.Arrival ask(int[] pairs, int from, int count, int place, Tensor logits) {
    int all = pairs.length / ASKED;
    for (int i = 0; i < count; i++) {
      transfers.block().set(place + i, pairs[from + i]);
      transfers.block().set(place + count + i, pairs[all + from + i]);
    }
    transfers.send(asked, place, ASKED, count);
    backend.logProbTerms(terms, logits, rows, tokens, count);
    return transfers.bring(terms, TERM * count);
  }
}
