package io.sailfish.llama.engine;

import java.util.Arrays;
import java.util.Set;

/**
 * Guesses how one row goes on from what it has said before. How good the guesses are is seen
 * without trying them: each token that comes is held against the one that was expected.
 */
final class RowDrafts {
  /** About the last eight guesses count: copying begins and ends within a sentence. */
  private static final double NEWEST = 0.125;

  private final DraftIndex index = new DraftIndex();
  private final HitRates own;
  private final HitRates all;

  /**
   * @param all the rates of all rows: where this one starts, and where it adds to
   */
  RowDrafts(HitRates all) {
    this.all = all;
    this.own = new HitRates(NEWEST, all);
  }

  /**
   * Takes in tokens that are known by now.
   *
   * @param most of them
   * @return how many it took in
   */
  int follow(Sequence sequence, int most) {
    int from = index.length();
    int end = Math.min(sequence.known(), from + Math.max(0, most));
    for (int i = from; i < end; i++) {
      int token = sequence.token(i);
      if (i >= sequence.promptLength() && index.matched() > 0) {
        boolean hit = index.next() == token;
        own.note(index.matched(), hit);
        all.note(index.matched(), hit);
      }
      index.add(token);
    }
    return end - from;
  }

  /** Whether it has taken in all that is known. */
  boolean follows(Sequence sequence) {
    return index.length() == sequence.known();
  }

  /**
   * What may come next; empty where nothing was found. Ends before a token that would end the
   * answer, since nothing comes after it.
   */
  int[] draft(int most, Set<Integer> stopIds) {
    int[] draft = index.draft(most);
    for (int i = 0; i < draft.length; i++) {
      if (stopIds.contains(draft[i])) {
        return Arrays.copyOf(draft, i);
      }
    }
    return draft;
  }

  /** The chance of each of {@code count} drafted tokens that it and all before it come. */
  double[] chances(int count) {
    return own.chances(index.matched(), count);
  }
}
