package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenChoice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * State of one request as the scheduler sees it: its tokens, how many of them have their keys and
 * values in the cache, and the blocks that hold those. Confined to the engine's thread.
 */
final class Sequence {
  /** Stands for a token that a queued step is still choosing. */
  static final int UNKNOWN = -1;

  private static final int[] NO_DRAFT = {};

  private final int promptLength;
  private final List<int[]> continuations;
  private final TokenChoice choice;
  private int[] tokens;

  /** Tokens, those that are still being chosen included. */
  private int length;

  /** Tokens whose ids are here; behind them the {@link #UNKNOWN} ones. */
  private int known;

  private int source;
  private boolean sealed;

  /** Tokens whose keys and values are in the cache after the steps planned so far. */
  private int computed;

  /** Guesses of the tokens after the newest one, for the next step; never among the tokens. */
  private int[] draft = NO_DRAFT;

  private int[] blocks = new int[4];
  private int numBlocks;

  /** Prefix node of each leading block, as far as there are some; ends at a private block. */
  private final List<Prefix> prefixes = new ArrayList<>();

  private int readyPrefixes;
  private int reusedTokens = -1;
  private int nextContinuation;

  /** Tokens of {@link #nextContinuation} that earlier steps computed in place. */
  private int continuationComputed;

  /** One that goes on greedily. */
  Sequence(int[] prompt, List<int[]> continuations) {
    this(prompt, continuations, TokenChoice.GREEDY);
  }

  /**
   * @param choice how it goes on
   */
  Sequence(int[] prompt, List<int[]> continuations, TokenChoice choice) {
    this.choice = choice;
    this.promptLength = prompt.length;
    this.tokens = prompt.clone();
    this.length = prompt.length;
    this.known = prompt.length;
    this.continuations = continuations;
  }

  int promptLength() {
    return promptLength;
  }

  /** Prompt and answer so far, tokens that are still being chosen included. */
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

  /** The tokens of the answer that are known. */
  int[] generated() {
    return Arrays.copyOfRange(tokens, promptLength, known);
  }

  /** Prompt and answer as far as their ids are known. */
  int known() {
    return known;
  }

  boolean hasUnknown() {
    return known < length;
  }

  /** The next token: of the oldest one that was unknown, else of one more. */
  void append(int token) {
    if (known == length) {
      grow();
    }
    tokens[known++] = token;
  }

  /**
   * Goes on by a token that a queued step is choosing.
   *
   * @param source where the next step finds it ({@link StepExecutor.Logits#source})
   */
  void appendUnknown(int source) {
    grow();
    tokens[length - 1] = UNKNOWN;
    this.source = source;
  }

  /** Where the newest token, an unknown one, is to be found. */
  int source() {
    return source;
  }

  /**
   * Forgets what is on its way: the sequence has ended before, or the step was lost. What is scored
   * is scored again, since it may have been of that step.
   */
  void dropUnknown() {
    length = known;
    sealed = false;
    nextContinuation = 0;
    continuationComputed = 0;
  }

  /** Says that the steps planned so far are its last, whatever they choose. */
  void seal() {
    sealed = true;
  }

  boolean isSealed() {
    return sealed;
  }

  private void grow() {
    if (length == tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(16, length * 2));
    }
    length++;
  }

  /** Guesses how the sequence goes on after its newest token, which has to be known. */
  void draft(int[] guesses) {
    draft = guesses;
  }

  /** The guesses for the step that is planned now; none are left. */
  int[] takeDraft() {
    int[] taken = draft;
    draft = NO_DRAFT;
    return taken;
  }

  /** Notes that the newest token was drafted, and so has its keys and values already. */
  void confirm() {
    computed++;
  }

  int computed() {
    return computed;
  }

  /** Tokens without keys and values yet: one for a row that is decoding. */
  int pending() {
    return length - computed;
  }

  /** How its next token is chosen. */
  TokenChoice choice() {
    return choice;
  }

  boolean scores() {
    return !continuations.isEmpty();
  }

  List<int[]> continuations() {
    return continuations;
  }

  /** The last continuation that has tokens behind its first one; -1 where none has. */
  int lastLongContinuation() {
    int last = continuations.size() - 1;
    while (last >= 0 && continuations.get(last).length == 1) {
      last--;
    }
    return last;
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

  /** Gives back what was taken for drafts and is not needed for tokens. */
  void trim(BlockPool pool) {
    while ((numBlocks - 1) * pool.blockTokens() >= reservedTokens()) {
      pool.release(blocks[--numBlocks]);
    }
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
    draft = NO_DRAFT;
  }
}
