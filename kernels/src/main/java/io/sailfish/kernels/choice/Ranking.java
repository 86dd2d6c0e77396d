package io.sailfish.kernels.choice;

import java.util.Arrays;

/**
 * Tokens by falling logit, the lower id first of equals, found only as far as asked for: sorting a
 * whole vocabulary costs more than choosing from it.
 *
 * <p>Most rows need few ranks. The {@link #FIRST_RUN}-th largest of the maxima of short runs of
 * logits is a lower bound of the FIRST_RUN-th largest logit, so one pass of comparisons leaves a
 * few candidates to sort. Only who asks beyond them pays for all keys.
 */
final class Ranking {
  private static final int FIRST_RUN = 64;
  private static final int RUN_LENGTH = 32;

  /** Logit, falling, above the id: keys in ascending order are the ranks. */
  private final long[] keys;

  private final float[] runMaxima;
  private float[] logits;
  private int sorted;
  private boolean complete;

  Ranking(int size) {
    keys = new long[size];
    runMaxima = new float[(size + RUN_LENGTH - 1) / RUN_LENGTH];
  }

  /** Starts with another row, which is read as long as ranks are asked for. Without NaN. */
  void reset(float[] row) {
    logits = row;
    sorted = 0;
    complete = false;
    if (runMaxima.length >= 2 * FIRST_RUN) {
      rankCandidates();
    }
  }

  /** Token of a rank. */
  int token(int rank) {
    while (rank >= sorted) {
      extend();
    }
    return (int) keys[rank];
  }

  private void rankCandidates() {
    for (int run = 0; run < runMaxima.length; run++) {
      int end = Math.min(logits.length, (run + 1) * RUN_LENGTH);
      float max = Float.NEGATIVE_INFINITY;
      for (int i = run * RUN_LENGTH; i < end; i++) {
        max = Math.max(max, logits[i]);
      }
      runMaxima[run] = max;
    }
    float[] maxima = runMaxima.clone();
    Arrays.sort(maxima);
    float bound = maxima[maxima.length - FIRST_RUN];
    int count = 0;
    for (int i = 0; i < logits.length; i++) {
      if (logits[i] >= bound) {
        keys[count++] = key(i);
      }
    }
    Arrays.sort(keys, 0, count);
    sorted = count;
  }

  /** Four times as many ranks as are known, from the keys of all tokens. */
  private void extend() {
    if (!complete) {
      for (int i = 0; i < logits.length; i++) {
        keys[i] = key(i);
      }
      complete = true;
      sorted = 0;
    }
    int end = Math.min(keys.length, Math.max(4 * FIRST_RUN, sorted * 4));
    if (end < keys.length) {
      select(keys, sorted, keys.length, end);
    }
    Arrays.sort(keys, sorted, end);
    sorted = end;
  }

  private long key(int token) {
    // Both zeros are equal; an int that compares as the float does.
    int bits = Float.floatToRawIntBits(logits[token] + 0f);
    int ordered = bits ^ (bits >> 31 & 0x7FFFFFFF);
    return (long) ~ordered << 32 | token;
  }

  /** Moves the smallest keys of [from, to) before {@code split} (Hoare's quickselect). */
  private static void select(long[] keys, int from, int to, int split) {
    int low = from;
    int high = to - 1;
    while (low < high) {
      long pivot = median(keys[low], keys[(low + high) >>> 1], keys[high]);
      int i = low;
      int j = high;
      while (i <= j) {
        while (keys[i] < pivot) {
          i++;
        }
        while (keys[j] > pivot) {
          j--;
        }
        if (i <= j) {
          long key = keys[i];
          keys[i++] = keys[j];
          keys[j--] = key;
        }
      }
      if (split <= j) {
        high = j;
      } else if (split >= i) {
        low = i;
      } else {
        return;
      }
    }
  }

  private static long median(long a, long b, long c) {
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }
}
