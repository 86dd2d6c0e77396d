package io.sailfish.kernels.cuda;

import io.sailfish.kernels.choice.TokenWeight;
import java.util.List;

/** Twins of choose.cu and choose_tokens_sm90.cu; shapes have been checked by their callers. */
final class TokenKernels {
  private static final int ROW_THREADS = 128;
  private static final int CHOICE_THREADS = 512;

  /** Most blocks that share a row of logits. */
  private static final int ARGMAX_BLOCKS = 16;

  /** Blocks of the choice that a card holds at once. */
  private static final int ARGMAX_RESIDENT = 4;

  /** Blocks of a cluster, which has a row; the kernels fix it themselves. */
  private static final int CLUSTER = 8;

  private static final KernelSpec ARGMAX =
      KernelSpec.kernel("choose", "argmax_f32")
          .out("ids")
          .in("logits")
          .out("bests")
          .out("arrivals")
          .in("ends")
          .i32("numEnds")
          .i32("vocabulary")
          .build();
  private static final KernelSpec ADVANCE =
      KernelSpec.kernel("choose", "advance_rows")
          .out("tokenIds")
          .out("positions")
          .out("slots")
          .in("ids")
          .in("rowSequences")
          .in("blockTables")
          .i32("stride")
          .i32("rows")
          .build();
  private static final KernelSpec TAKE =
      KernelSpec.kernel("choose", "take_tokens")
          .out("tokenIds")
          .out("positions")
          .out("slots")
          .out("history")
          .in("sources")
          .in("chosen")
          .i32("numChosen")
          .i32("rows")
          .build();
  private static final KernelSpec CHOOSE =
      KernelSpec.kernel("choose_tokens_sm90", "choose_tokens_sm90")
          .out("ids")
          .in("logits")
          .in("choices")
          .in("rowIds")
          .in("positions")
          .in("rowSequences")
          .in("blockTables")
          .in("history")
          .in("masks")
          .in("ends")
          .i32("numEnds")
          .i32("stride")
          .i32("vocabulary")
          .build();
  private static final KernelSpec TERMS =
      KernelSpec.kernel("choose_tokens_sm90", "log_prob_terms_sm90")
          .out("terms")
          .in("logits")
          .in("rowIds")
          .in("tokens")
          .i32("vocabulary")
          .build();

  static final List<KernelSpec> SPECS = List.of(ARGMAX, ADVANCE, TAKE, CHOOSE, TERMS);

  private TokenKernels() {}

  /** fp32 rows of logits on the card. */
  record Logits(long address, int vocabulary) {}

  /** Token ids on the card that end answers. */
  record Ends(long address, int count) {}

  /** Addresses of what rows that are not greedy choose by; 0 for no masks and no row ids. */
  record Choices(long choices, long rowIds, long masks, long history) {}

  private static LaunchGeometry each(int rows) {
    return LaunchGeometry.of((rows - 1) / ROW_THREADS + 1, ROW_THREADS).overlapping();
  }

  /** Bytes of {@link #argmax}'s workspace for so many rows, zero before its first use. */
  static long argmaxBytes(int rows) {
    return (long) rows * (2 * ARGMAX_BLOCKS * Float.BYTES + Integer.BYTES);
  }

  /**
   * @param workspace address of {@link #argmaxBytes} for {@code capacity} rows
   */
  static void argmax(
      CudaStream stream,
      long ids,
      Logits logits,
      Ends ends,
      int rows,
      long workspace,
      int capacity) {
    Arguments.aligned("choose", "logits", logits.address(), 16);
    Arguments.inRange("choose", "rows", 1, capacity, rows);
    int resident = ARGMAX_RESIDENT * stream.device().properties().multiprocessors();
    int blocks = Math.max(2, Math.min(ARGMAX_BLOCKS, resident / rows));
    stream.launch(
        ARGMAX,
        LaunchGeometry.of(1, CHOICE_THREADS).withGrid(blocks, rows, 1).overlapping(),
        ids,
        logits.address(),
        workspace + (long) capacity * Integer.BYTES,
        workspace,
        ends.address(),
        ends.count(),
        logits.vocabulary());
  }

  static void choose(
      CudaStream stream,
      long ids,
      Logits logits,
      Choices choices,
      Ends ends,
      CudaStep step,
      int rows) {
    int chunk = chunk("choose", logits);
    Arguments.aligned("choose", "choices", choices.choices(), 16);
    stream.launch(
        CHOOSE,
        rows(rows, chunk),
        ids,
        logits.address(),
        choices.choices(),
        choices.rowIds(),
        step.positions(),
        step.rowSequences(),
        step.blockTables(),
        choices.history(),
        choices.masks(),
        ends.address(),
        ends.count(),
        step.stride(),
        logits.vocabulary());
  }

  /**
   * @param terms address of 16 bytes for each token
   */
  static void logProbTerms(
      CudaStream stream, long terms, Logits logits, long rowIds, long tokens, int count) {
    int chunk = chunk("logProbTerms", logits);
    Arguments.aligned("logProbTerms", "terms", terms, 16);
    stream.launch(
        TERMS, rows(count, chunk), terms, logits.address(), rowIds, tokens, logits.vocabulary());
  }

  /** Logits that a block of the cluster holds. */
  private static int chunk(String op, Logits logits) {
    Arguments.aligned(op, "logits", logits.address(), 16);
    Arguments.inRange(op, "vocabulary", 1, TokenWeight.MOST_TOKENS, logits.vocabulary());
    return (logits.vocabulary() + 4 * CLUSTER - 1) / (4 * CLUSTER) * 4;
  }

  /** A cluster a row; each block holds its part, and a bit for each token of it. */
  private static LaunchGeometry rows(int rows, int chunk) {
    int words = chunk + (chunk + 31) / 32;
    return LaunchGeometry.of(1, CHOICE_THREADS)
        .withGrid(CLUSTER, rows, 1)
        .withShared(words * Integer.BYTES)
        .overlapping();
  }

  /**
   * @param sources address, 0 = all tokens are there
   * @param chosen address of {@code numChosen} choices
   */
  static void take(
      CudaStream stream,
      CudaStep step,
      long history,
      long sources,
      long chosen,
      int numChosen,
      int rows) {
    stream.launch(
        TAKE,
        each(rows),
        step.tokenIds(),
        step.positions(),
        step.slots(),
        history,
        sources,
        chosen,
        numChosen,
        rows);
  }

  static void advance(CudaStream stream, CudaStep step, long ids, int rows) {
    stream.launch(
        ADVANCE,
        each(rows),
        step.tokenIds(),
        step.positions(),
        step.slots(),
        ids,
        step.rowSequences(),
        step.blockTables(),
        step.stride(),
        rows);
  }
}
