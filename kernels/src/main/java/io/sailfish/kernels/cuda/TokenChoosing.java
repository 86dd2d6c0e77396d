package io.sailfish.kernels.cuda;

import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.choice.TokenChoice;

/**
 * Chooses tokens on a card and hands them to the next step. Rows that are all greedy have a kernel
 * of their own, which needs no shared memory and so does not wait for the product ahead of it.
 */
final class TokenChoosing {
  /** Rows of one choice. */
  private static final int MOST_ROWS = 4096;

  /** Workspace of the greedy choice. */
  static final long BYTES = TokenKernels.argmaxBytes(MOST_ROWS);

  private static final int TERM = 4;

  /** Tokens that are scored at once. */
  private static final int MOST_TERMS = 1 << 14;

  private final long workspace;

  /**
   * @param workspace address of {@link #BYTES} zeroed bytes
   */
  TokenChoosing(long workspace) {
    this.workspace = workspace;
  }

  void choose(
      CudaStream stream, IntTensor ids, int first, Tensor logits, int rows, ChoiceInputs how) {
    String op = "choose";
    TokenKernels.Logits from = logits(op, logits, rows);
    Arguments.inRange(op, "rows", 1, MOST_ROWS, rows);
    Arguments.inRange(op, "first", 0, ids.length() - rows, first);
    long to = ((CudaInts) ids).address() + (long) first * Integer.BYTES;
    int numEnds = how.ends() == null ? 0 : how.ends().length();
    TokenKernels.Ends ends =
        new TokenKernels.Ends(optional(op, "ends", how.ends(), numEnds), numEnds);
    if (how.choices() == null) {
      TokenKernels.argmax(stream, to, from, ends, rows, workspace, MOST_ROWS);
      return;
    }
    CudaChecks.ints(op, "positions", how.step().positions(), 1);
    int maskWords = (logits.cols() + 31) / 32;
    TokenKernels.Choices choices =
        new TokenKernels.Choices(
            CudaChecks.ints(op, "choices", how.choices(), rows * TokenChoice.PACKED),
            optional(op, "rowIds", how.rowIds(), rows),
            optional(op, "masks", how.masks(), maskWords),
            ((CudaKvCache) how.cache()).historyAddress());
    TokenKernels.choose(stream, to, from, choices, ends, CudaStep.of(how.step()), rows);
  }

  static void take(
      CudaStream stream,
      StepInputs step,
      CudaKvCache cache,
      IntTensor sources,
      IntTensor chosen,
      int rows) {
    String op = "takeTokens";
    CudaChecks.ints(op, "tokenIds", step.tokenIds(), rows);
    CudaChecks.ints(op, "slots", step.slots(), rows);
    CudaChecks.ints(op, "positions", step.positions(), rows);
    TokenKernels.take(
        stream,
        CudaStep.of(step),
        cache.historyAddress(),
        optional(op, "sources", sources, rows),
        CudaChecks.ints(op, "chosen", chosen, 1),
        chosen.length(),
        rows);
  }

  static void logProbTerms(
      CudaStream stream,
      IntTensor terms,
      Tensor logits,
      IntTensor rowIds,
      IntTensor tokens,
      int count) {
    String op = "logProbTerms";
    TokenKernels.Logits from = logits(op, logits, 1);
    Arguments.inRange(op, "count", 1, MOST_TERMS, count);
    TokenKernels.logProbTerms(
        stream,
        CudaChecks.ints(op, "terms", terms, TERM * count),
        from,
        CudaChecks.ints(op, "rowIds", rowIds, count),
        CudaChecks.ints(op, "tokens", tokens, count),
        count);
  }

  private static TokenKernels.Logits logits(String op, Tensor logits, int rows) {
    CudaTensor own = CudaChecks.exact(op, "logits", logits, rows, logits.cols());
    return new TokenKernels.Logits(own.address(), logits.cols());
  }

  private static long optional(String op, String argument, IntTensor ints, int length) {
    return ints == null ? 0 : CudaChecks.ints(op, argument, ints, length);
  }
}
