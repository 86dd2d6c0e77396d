package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** Looks for how rows may go on, and keeps what that takes. Confined to the engine's thread. */
final class Guesses {
  /** Longest draft of a row: beyond it there is hardly a chance left. */
  static final int LONGEST = 16;

  /** Tokens of prompts that are taken in before a step, all rows together: that takes time too. */
  static final int TAKEN_IN = 2048;

  private static final double NEWEST = 1.0 / 64;

  private final EngineConfig config;
  private final LongSupplier clock;
  private final HitRates rates = rates();
  private long nanos;

  /**
   * A row and what may be drafted for it.
   *
   * @param length of the row, tokens under way included
   * @param left tokens that it may still get
   */
  record Guess(Sequence sequence, int[] draft, double[] chances, int length, int left) {
    /** Tokens that it may still get by now. */
    int leftNow() {
      return left - (sequence.length() - length);
    }
  }

  /**
   * @param clock nanoseconds
   */
  Guesses(EngineConfig config, LongSupplier clock) {
    this.config = config;
    this.clock = clock;
  }

  /** How often guesses come true, of all rows. */
  static HitRates rates() {
    return new HitRates(NEWEST);
  }

  /** What looking has taken since this was asked last. */
  long takeNanos() {
    long taken = nanos;
    nanos = 0;
    return taken;
  }

  List<Guess> look(List<Sequence> decoding, Map<Sequence, Row> rows) {
    long start = clock.getAsLong();
    List<Guess> guesses = new ArrayList<>(decoding.size());
    int left = TAKEN_IN;
    for (Sequence sequence : decoding) {
      Row row = rows.get(sequence);
      if (row.drafts == null) {
        row.drafts = new RowDrafts(rates);
      }
      left -= row.drafts.follow(sequence, left);
      guesses.add(guess(row));
    }
    nanos += clock.getAsLong() - start;
    return guesses;
  }

  /**
   * Tokens that a step under way will give are part of the guess and of its chances. The step gives
   * one token more than is drafted, and the last token of all is not computed.
   */
  private Guess guess(Row row) {
    Sequence sequence = row.sequence;
    int length = sequence.length();
    int left = row.params.maxTokens() - (length - sequence.promptLength());
    int most = Math.min(LONGEST, Math.min(left - 1, config.contextTokens() - length));
    if (most <= 0 || !row.drafts.follows(sequence)) {
      return new Guess(sequence, new int[0], new double[0], length, left);
    }
    int unknown = length - sequence.known();
    int[] draft = row.drafts.draft(most + unknown, config.stopIds());
    double[] chances = row.drafts.chances(draft.length);
    int from = Math.min(unknown, draft.length);
    double[] ofDraft = Arrays.copyOfRange(chances, from, draft.length);
    return new Guess(sequence, draft, ofDraft, length, left);
  }
}
