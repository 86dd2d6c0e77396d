package io.sailfish.kernels;

import java.util.Optional;

/**
 * Memory and operators of one device. Everything made by a backend is owned by it and freed by
 * {@link #close()}. Not thread-safe: one thread (the engine's) drives it; a backend may spread an
 * operator over threads of its own.
 */
public interface Backend extends WeightPacker, AutoCloseable {
  /** {@code cpu} or {@code cuda}. */
  String id();

  /** One line for people: device, instruction set or card, threads. */
  String describe();

  Ops ops();

  /**
   * The operators for rows of prompts, where a backend has others for them than for rows that go on
   * by one token (docs/adr/0008). A row's bits depend on which of the two computed it, so whoever
   * has rows of both kinds decides by what a row is, never by how many there are.
   */
  default Ops promptOps() {
    return ops();
  }

  /** Whether {@link #promptOps} differ from {@link #ops}, so that a step has to be split. */
  default boolean separatesPrompts() {
    return false;
  }

  /**
   * Tokens at whose multiples a prompt may be cut between two steps without changing a bit of its
   * rows; 1 = anywhere, where a row's sums do not depend on the rows computed beside it.
   */
  default int promptCut() {
    return 1;
  }

  /**
   * Rows that a step of {@code rows} rows had better be filled up to with padding (slot and
   * position -1) before {@link #replay}: one recording then serves several batch sizes.
   */
  default int replayRows(int rows) {
    return rows;
  }

  /**
   * Runs {@code work}, or what was recorded of it: work with an equal key queues the same operators
   * with the same arguments, on tensors whose contents may have changed. Rows of such a step belong
   * to different sequences. No reading or writing of tensors in it.
   */
  default void replay(Object key, Runnable work) {
    work.run();
  }

  /** Zeroed activations {@code [rows, cols]}. {@code purpose} names them in messages. */
  Tensor floats(int rows, int cols, String purpose);

  /**
   * Zeroed fp32 {@code [rows, cols]}, also where activations are narrower: tables and norm weights,
   * which are written once, and logits, which are read back.
   */
  default Tensor exact(int rows, int cols, String purpose) {
    return floats(rows, cols, purpose);
  }

  /** Zeroed integers. */
  IntTensor ints(int length, String purpose);

  /** Room for keys and values; see {@link #kvBlockBytes}. */
  KvCache kvCache(int layers, int numBlocks, int blockTokens, AttentionShape shape);

  /** Bytes that one block of such a cache would take, for sizing it beforehand. */
  long kvBlockBytes(int layers, int blockTokens, AttentionShape shape);

  /**
   * Bytes that further allocations may take: free device memory, or what the host has available.
   */
  long freeBytes();

  /**
   * Whether all of {@link #freeBytes} is this process's to take, so that the KV cache may have what
   * nothing else needs.
   */
  default boolean ownsFreeBytes() {
    return false;
  }

  /** Nominal speed of the memory that weights, keys and values lie in; 0 = not known. */
  default double bytesPerSecond() {
    return 0;
  }

  /** Whether and how weights may stay on the host and come to the device when a step needs them. */
  default Optional<WeightStreaming> streaming() {
    return Optional.empty();
  }

  /** Largest finite activation, key or value; what leaves it makes logits NaN. */
  default float largestActivation() {
    return Float.MAX_VALUE;
  }

  /** Bytes of an element of {@link #floats}. */
  default int floatBytes() {
    return Float.BYTES;
  }

  /**
   * Bytes that steps of {@code rows} decoding rows take beyond tensors, weights and cache:
   * workspaces and recordings.
   *
   * @param blockTableStride of the longest context
   */
  default long stepBytes(AttentionShape shape, int rows, int blockTableStride) {
    return 0;
  }

  /** Takes {@link #stepBytes} now, as far as they are known now. */
  default void reserveSteps(AttentionShape shape, int rows, int blockTableStride) {}

  /** Rows of the largest step worth measuring where nobody sets a batch cap. */
  default int largestBatch() {
    return 32;
  }

  /** Prompt tokens that one step had better compute where nobody says how many. */
  default int promptRows() {
    return 256;
  }

  /** Copies {@code count} floats to row-major elements {@code [offset, offset + count)} of dst. */
  void write(Tensor dst, long offset, float[] src, int srcOffset, int count);

  /** Copies {@code count} ints to elements {@code [0, count)} of dst. */
  void write(IntTensor dst, int[] src, int count);

  /** Waits for the operators queued so far and copies row-major elements back. */
  void read(Tensor src, long offset, float[] dst, int dstOffset, int count);

  /**
   * Queues the choice of a token for each of the first {@code rows} rows of {@link #exact} logits,
   * as {@link io.sailfish.kernels.choice.TokenChooser} defines it: ids[first + r] = the token, with
   * {@link ChoiceInputs#ENDS} set if it ends the answer, or why there is none. Of backends that
   * {@link #separatesPrompts}, as are the next two.
   */
  default void choose(IntTensor ids, int first, Tensor logits, int rows, ChoiceInputs how) {
    throw new UnsupportedOperationException("choose: tokens are chosen on the host");
  }

  /**
   * Queues what has to come before a pass of rows: tokenIds[r] = chosen[sources[r]] for rows whose
   * source is not negative, where a choice that is no token becomes token 0 and a row whose answer
   * has ended becomes padding; then the cache is told the tokens of the rows' slots, for {@link
   * #choose} to know what a row has seen.
   *
   * @param sources null = all tokens are there
   */
  default void takeTokens(
      StepInputs step, KvCache cache, IntTensor sources, IntTensor chosen, int rows) {
    throw new UnsupportedOperationException("takeTokens: tokens are chosen on the host");
  }

  /**
   * Queues what the log-probabilities of {@code count} given tokens are made of: terms[4i..] = the
   * bits of token tokens[i]'s logit in row rowIds[i] of {@link #exact} logits, those of the row's
   * largest logit, and the low and the high half of the sum of the row's {@link
   * io.sailfish.kernels.choice.TokenWeight}s at temperature 1, which is -1 where the largest is no
   * number.
   */
  default void logProbTerms(
      IntTensor terms, Tensor logits, IntTensor rowIds, IntTensor tokens, int count) {
    throw new UnsupportedOperationException("logProbTerms: the host has the logits");
  }

  /**
   * Memory of the host for {@link #upload} and {@link #readBack}, until the backend is closed;
   * empty where there is nothing to copy.
   */
  default Optional<BufferSource> transferMemory() {
    return Optional.empty();
  }

  /** Elements {@code [first, first + length)} of {@code whole}, not a copy. */
  default IntTensor part(IntTensor whole, int first, int length) {
    throw new UnsupportedOperationException("part: nothing is uploaded together");
  }

  /**
   * Queues one copy of integers {@code [rows, cols]} to the first columns of {@code dst [rows,
   * dst.length / rows]}.
   *
   * @param address of the first in {@link #transferMemory}, where they stay as they are until a
   *     later {@link #readBack} has come
   */
  default void upload(IntTensor dst, long address, int rows, int cols) {
    throw new UnsupportedOperationException("upload: there is no transfer memory");
  }

  /**
   * Queues a copy of the first {@code count} integers to {@link #transferMemory}. A few of them may
   * be under way.
   */
  default ReadBack readBack(IntTensor src, int count, long address) {
    throw new UnsupportedOperationException("readBack: there is no transfer memory");
  }

  /** Integers on their way to the host. */
  interface ReadBack {
    /** Waits for them, and so for all that was queued before. */
    void await();
  }

  @Override
  void close();
}
