package io.sailfish.llama.engine;

import java.util.Arrays;

/**
 * Finds where a row's newest tokens stood before and what followed them: the idea of prompt look-up
 * decoding (github.com/apoorvumang/prompt-lookup-decoding). The longest run of {@link #LEAST} to
 * {@link #MOST} tokens wins, of equal ones the last. A token costs the same however many there are:
 * each length has a table from runs to the place behind them.
 */
final class DraftIndex {
  /** Shorter runs are found everywhere and say little. */
  static final int LEAST = 2;

  static final int MOST = 4;

  private int[] tokens = new int[64];
  private int length;
  private final Runs[] runs = new Runs[MOST - LEAST + 1];

  /** Length of the run that the newest tokens repeat, 0 for none, and the place behind it. */
  private int matched;

  private int from;

  DraftIndex() {
    Arrays.setAll(runs, i -> new Runs(i + LEAST));
  }

  int length() {
    return length;
  }

  void add(int token) {
    if (length == tokens.length) {
      tokens = Arrays.copyOf(tokens, length * 2);
    }
    tokens[length++] = token;
    matched = 0;
    for (Runs table : runs) {
      int before = table.put();
      if (before > 0) {
        matched = table.size;
        from = before;
      }
    }
  }

  /** How many of the newest tokens stood together before, up to {@link #MOST}; 0 for none. */
  int matched() {
    return matched;
  }

  /** What followed them; only where some {@link #matched}. */
  int next() {
    return tokens[from];
  }

  /** What followed them, which repeats itself where it reaches the newest token. */
  int[] draft(int most) {
    int[] draft = new int[matched == 0 ? 0 : most];
    for (int i = 0; i < draft.length; i++) {
      draft[i] = from + i < length ? tokens[from + i] : draft[from + i - length];
    }
    return draft;
  }

  /** Runs of one length, by the place behind their last occurrence; 0 marks a free entry. */
  private final class Runs {
    private final int size;
    private int[] ends = new int[128];
    private int count;

    Runs(int size) {
      this.size = size;
    }

    /** Puts the newest run in; returns the place behind the same run before, 0 without. */
    int put() {
      if (length < size) {
        return 0;
      }
      if (2 * count >= ends.length) {
        grow();
      }
      int entry = entry(length);
      int before = ends[entry];
      count += before == 0 ? 1 : 0;
      ends[entry] = length;
      return before;
    }

    private void grow() {
      int[] old = ends;
      ends = new int[old.length * 2];
      for (int end : old) {
        if (end > 0) {
          ends[entry(end)] = end;
        }
      }
    }

    /** Where the run before {@code end} is or belongs. */
    private int entry(int end) {
      long hash = size;
      for (int i = end - size; i < end; i++) {
        hash = (hash ^ tokens[i]) * 0x9E3779B97F4A7C15L;
        hash ^= hash >>> 32;
      }
      int entry = (int) hash & ends.length - 1;
      while (ends[entry] > 0 && !same(ends[entry], end)) {
        entry = entry + 1 & ends.length - 1;
      }
      return entry;
    }

    private boolean same(int end, int other) {
      return Arrays.equals(tokens, end - size, end, tokens, other - size, other);
    }
  }
}
