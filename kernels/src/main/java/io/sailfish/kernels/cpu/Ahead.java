package io.sailfish.kernels.cpu;

/**
 * Weights that come next, fetched into the caches while there is arithmetic to do. Java has no
 * instruction for that, so a word of each cache line is read. A read that waits for memory holds up
 * what comes some 250 instructions behind it: read all at once, the lines of a chunk cost their
 * whole way from memory. A few at a time they leave the processor time to see a stream and to run
 * ahead of it.
 */
final class Ahead {
  /** Words in a line of the processor's cache. */
  private static final int CACHE_LINE = 16;

  private int[] words = new int[0];
  private int at;
  private int end;
  private int share;
  private int sum;

  /**
   * Sets out to fetch {@code words[from .. from + count)}, as far as there are any.
   *
   * @param turns calls of {@link #some} that do it
   */
  void on(int[] words, int from, int count, int turns) {
    this.words = words;
    at = from;
    end = Math.min(words.length, from + count);
    share = (count + turns * CACHE_LINE - 1) / (turns * CACHE_LINE) * CACHE_LINE;
  }

  /** Fetches the next of the turns. Their sum is kept so that the reads are. */
  void some() {
    int stop = Math.min(end, at + share);
    for (; at < stop; at += CACHE_LINE) {
      sum += words[at];
    }
  }
}
