package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * State of one request as the scheduler sees it: its tokens, how many of them have their keys and
 * values in the cache, and the blocks that hold those. Confined to the engine's thread.
 */
final class Sequence {
  private final int promptLength;
  private final List<int[]> continuations;
  private int[] tokens;
  private int length;

  /** Tokens whose keys and values are in the cache after the steps planned so far. */
  private int computed;

  private int[] blocks = new int[4];
  private int numBlocks;

  /** Prefix node of each leading block, as far as there are some; ends at a private block. */
  private final List<Prefix> prefixes = new ArrayList<>();

  private int readyPrefixes;
  private int reusedTokens = -1;
  private int nextContinuation;

  /** Tokens of {@link #nextContinuation} that earlier steps computed in place. */
  private int continuationComputed;

  Sequence(int[] prompt, List<int[]> continuations) {
    this.promptLength = prompt.length;
    this.tokens = prompt.clone();
    this.length = prompt.length;
    this.continuations = continuations;
  }

  int promptLength() {
    return promptLength;
  }

  /** Prompt and answer so far. */
  int length() {
    return length;
  }

  int token(int position) {
    return tokens[position];
  }

  /** The array behind {@link #token}; only the first {@link #length()} count. */
  int[] tokens() {
    return tokens;
  }

  int[] generated() {
    return Arrays.copyOfRange(tokens, promptLength, length);
  }

  void append(int token) {
    if (length == tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(16, length * 2));
    }
    tokens[length++] = token;
  }

  int computed() {
    return computed;
  }

  /** Tokens without keys and values yet: one for a row that is decoding. */
  int pending() {
    return length - computed;
  }

  boolean scores() {
    return !continuations.isEmpty();
  }

  List<int[]> continuations() {
    return continuations;
  }

  /** Most tokens that this sequence can need in the cache at once, from what is known now. */
  int reservedTokens() {
    int longest = 1;
    for (int[] continuation : continuations) {
      longest = Math.max(longest, continuation.length);
    }
    return length + longest - 1;
  }

  int nextContinuation() {
    return nextContinuation;
  }

  int continuationComputed() {
    return continuationComputed;
  }

  /** Notes that {@code rows} more tokens of the next continuation are planned. */
  void advanceContinuation(int rows, boolean finished) {
    continuationComputed = finished ? 0 : continuationComputed + rows;
    nextContinuation += finished ? 1 : 0;
  }

  /** Prompt tokens found in the cache when the row started, or -1 before that. */
  int reusedTokens() {
    return reusedTokens;
  }

  int numBlocks() {
    return numBlocks;
  }

  int block(int index) {
    return blocks[index];
  }

  void addBlock(int block) {
    if (numBlocks == blocks.length) {
      blocks = Arrays.copyOf(blocks, numBlocks * 2);
    }
    blocks[numBlocks++] = block;
  }

  /** Starts with known blocks, held by this sequence from now on. */
  void adopt(List<Prefix> known, BlockPool pool) {
    for (Prefix prefix : known) {
      pool.retain(prefix.block);
      addBlock(prefix.block);
      prefixes.add(prefix);
    }
    readyPrefixes = known.size();
    computed = known.size() * pool.blockTokens();
    if (reusedTokens < 0) {
      reusedTokens = Math.min(computed, promptLength);
    }
  }

  /** Announces the full blocks up to {@code end} tokens, so that others wait for them. */
  void promise(int end, BlockPool pool) {
    while (prefixes.size() < pool.shareable(this, end) / pool.blockTokens()) {
      int index = prefixes.size();
      Prefix parent = index == 0 ? null : prefixes.get(index - 1);
      Prefix prefix = pool.promise(parent, tokens, index * pool.blockTokens(), blocks[index]);
      if (prefix == null) {
        return;
      }
      prefixes.add(prefix);
    }
  }

  /**
   * Notes that a step computes tokens up to {@code end}: full blocks may be read by others from now
   * on, even in the same step, since a step writes all keys and values of a layer before it reads
   * any.
   */
  void advance(int end, BlockPool pool) {
    computed = end;
    if (readyPrefixes == prefixes.size()) {
      promise(end, pool);
    }
    while (readyPrefixes < prefixes.size()
        && (readyPrefixes + 1) * pool.blockTokens() <= computed) {
      prefixes.get(readyPrefixes++).ready = true;
    }
  }

  /** Gives all blocks back; what was computed is lost for this sequence. */
  void releaseBlocks(BlockPool pool) {
    while (numBlocks > 0) {
      pool.release(blocks[--numBlocks]);
    }
    prefixes.clear();
    readyPrefixes = 0;
    computed = 0;
    continuationComputed = 0;
  }
}
