package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;

/**
 * How many KV blocks to allocate, decided before anything is: one sequence of the whole context has
 * to fit, or no request could be promised an end.
 *
 * @param contextTokens longest sequence
 * @param blockTokens tokens a block
 * @param blockBytes bytes of one block over all layers
 * @param freeBytes what may still be allocated
 * @param ownsFree whether all of that is this process's; otherwise half of it is left alone
 */
record KvSizing(
    int contextTokens, int blockTokens, long blockBytes, long freeBytes, boolean ownsFree) {
  /** What is left for everything else when the size is ours to choose. */
  private static final double SHARE_OF_FREE = 0.5;

  /**
   * Tokens a row of a full batch has on average before rows are put back, when the size is ours to
   * choose: rows of tables are short, so a whole context for each would be held for nothing.
   */
  static final int TOKENS_PER_ROW = 256;

  static final String KV_KEY = "spark.sailfish.engine.kvBytes";
  static final String CONTEXT_KEY = "spark.sailfish.engine.contextTokens";

  long contextBlocks() {
    return (contextTokens + blockTokens - 1L) / blockTokens;
  }

  /**
   * @param kvBytes what the user set, or 0
   * @param rows sequences that run at a time
   */
  int blocks(long kvBytes, int rows) {
    return Math.toIntExact(
        Math.min(Integer.MAX_VALUE / blockTokens, kvBytes > 0 ? given(kvBytes) : chosen(rows)));
  }

  private long given(long kvBytes) {
    if (kvBytes > freeBytes) {
      throw refused(
          "%s=%d is more than the %d bytes that are free; lower it"
              .formatted(KV_KEY, kvBytes, freeBytes));
    }
    if (kvBytes / blockBytes < contextBlocks()) {
      throw refused(
          "%s=%d holds %d tokens, one sequence of the context of %d tokens needs %d bytes; raise it or lower %s"
              .formatted(
                  KV_KEY,
                  kvBytes,
                  kvBytes / blockBytes * blockTokens,
                  contextTokens,
                  contextBlocks() * blockBytes,
                  CONTEXT_KEY));
    }
    return kvBytes / blockBytes;
  }

  private long chosen(int rows) {
    if (contextBlocks() * blockBytes > freeBytes) {
      throw refused(
          "no memory for keys and values: one sequence of the context of %d tokens needs %d bytes, %d are free; lower %s or give the process more memory"
              .formatted(contextTokens, contextBlocks() * blockBytes, freeBytes, CONTEXT_KEY));
    }
    int tokens = ownsFree ? contextTokens : Math.min(contextTokens, TOKENS_PER_ROW);
    long rowBlocks = (tokens + blockTokens - 1L) / blockTokens;
    long affordable = (long) (freeBytes * (ownsFree ? 1 : SHARE_OF_FREE)) / blockBytes;
    return Math.max(contextBlocks(), Math.min(rows * rowBlocks, affordable));
  }

  private static RuntimeFailure refused(String message) {
    return new RuntimeFailure(Kind.USER, message, null);
  }
}
