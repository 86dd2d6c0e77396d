package io.sailfish.llama.engine;

import java.util.Set;

/**
 * Sizes and switches of one engine, all decided.
 *
 * @param name of the model, for threads and messages
 * @param batchCap sequences that run at a time
 * @param batchCapReason how it came about, for logs and EXPLAIN
 * @param contextTokens longest sequence
 * @param kvBlocks blocks of the KV cache
 * @param blockTokens tokens a block
 * @param blockBytes bytes of a block over all layers, for messages
 * @param prefillTokens rows of prompts and continuations a step computes besides the decoding ones
 * @param chunkTokens where prompts are cut, from their own start
 * @param prefixReuse whether shared prompt prefixes are computed once
 * @param stopIds tokens that end an answer
 * @param drafting whether it is guessed how rows go on
 */
public record EngineConfig(
    String name,
    int batchCap,
    String batchCapReason,
    int contextTokens,
    int kvBlocks,
    int blockTokens,
    long blockBytes,
    int prefillTokens,
    int chunkTokens,
    boolean prefixReuse,
    Set<Integer> stopIds,
    Drafting drafting) {
  /** Logit rows a step has for continuations and drafts, beside one for each running sequence. */
  private static final int SCORE_ROWS = 32;

  public EngineConfig {
    check(batchCap > 0, "batch cap", batchCap);
    check(contextTokens > 0, "context", contextTokens);
    check(blockTokens > 0, "block length", blockTokens);
    check(prefillTokens > 0, "prefill chunk", prefillTokens);
    check(chunkTokens > 0, "cut of prompts", chunkTokens);
    if ((long) kvBlocks * blockTokens < contextTokens) {
      throw new IllegalArgumentException(
          "%s: %d KV blocks of %d tokens cannot hold one sequence of %d tokens"
              .formatted(name, kvBlocks, blockTokens, contextTokens));
    }
    stopIds = Set.copyOf(stopIds);
  }

  /** Blocks of the longest sequence. */
  int contextBlocks() {
    return (contextTokens + blockTokens - 1) / blockTokens;
  }

  /** Bytes of the whole KV cache. */
  public long kvBytes() {
    return kvBlocks * blockBytes;
  }

  EngineConfig withBatchCap(int cap, String reason) {
    return with(cap, reason, kvBlocks);
  }

  EngineConfig withKvBlocks(int blocks) {
    return with(batchCap, batchCapReason, blocks);
  }

  private EngineConfig with(int cap, String reason, int blocks) {
    return new EngineConfig(
        name,
        cap,
        reason,
        contextTokens,
        blocks,
        blockTokens,
        blockBytes,
        prefillTokens,
        chunkTokens,
        prefixReuse,
        stopIds,
        drafting);
  }

  /** Rows of a step that has no rows of prompts. */
  int decodeRows() {
    int drafted = Math.min(Speculation.MOST_ROWS, batchCap) + limits().scoreRows();
    return drafting == Drafting.OFF ? batchCap : Math.max(batchCap, drafted);
  }

  Scheduler.Limits limits() {
    return new Scheduler.Limits(
        batchCap, prefillTokens, chunkTokens, Math.min(SCORE_ROWS, prefillTokens));
  }

  private static void check(boolean ok, String what, int value) {
    if (!ok) {
      throw new IllegalArgumentException(
          "engine: %s must be positive, got %d".formatted(what, value));
    }
  }
}
