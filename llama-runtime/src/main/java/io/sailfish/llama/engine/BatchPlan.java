package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenChoice;
import java.util.Arrays;
import java.util.List;

/**
 * One forward step, decided and immutable. The arrays are laid out as {@link
 * io.sailfish.kernels.StepInputs} wants them and must not be changed.
 *
 * @param tokenIds {@code [rows]}; {@link Sequence#UNKNOWN} where the step before is choosing it
 * @param sources {@code [rows]} where such a token is to be found ({@link
 *     StepExecutor.Logits#source}), -1 for all others
 * @param positions {@code [rows]}
 * @param slots {@code [rows]} KV slot a row writes
 * @param rowSequences {@code [rows]} index into {@code parts}
 * @param queryStarts {@code [parts + 1]}
 * @param blockTables {@code [parts, blockTableStride]}
 * @param logitRows rows whose logits are wanted, ascending
 * @param blockCopies pairs (from, to) of KV blocks to copy before the step
 * @param parts the sequences of this step in row order
 */
record BatchPlan(
    int[] tokenIds,
    int[] sources,
    int[] positions,
    int[] slots,
    int[] rowSequences,
    int[] queryStarts,
    int[] blockTables,
    int blockTableStride,
    int[] logitRows,
    int[] blockCopies,
    List<Part> parts) {

  /**
   * Contiguous rows of one sequence.
   *
   * @param sequence whose
   * @param rows number of rows
   * @param firstLogit index of its first logit row among {@code logitRows}
   * @param logits its logit rows: 0 or 1 (the last row), or all rows of a continuation or of a
   *     token with its draft
   * @param continuation which continuation is scored, or -1
   * @param offset scoring: the continuation's token that the first row holds
   */
  record Part(
      Sequence sequence, int rows, int firstLogit, int logits, int continuation, int offset) {
    /** Its last rows that hold tokens which are only guessed. */
    int drafts() {
      return continuation < 0 ? Math.max(0, logits - 1) : 0;
    }

    /**
     * Tokens whose log-probabilities are wanted: the first ones of all continuations after the last
     * row of their prompt, the next one after each row of a continuation.
     */
    int scored() {
      if (continuation >= 0) {
        return rows;
      }
      return logits > 0 ? sequence.continuations().size() : 0;
    }

    /** After which logit row the {@code index}-th of these is scored. */
    int scoredRow(int index) {
      return firstLogit + (continuation < 0 ? 0 : index);
    }

    int scoredToken(int index) {
      return continuation < 0
          ? sequence.continuations().get(index)[0]
          : sequence.continuations().get(continuation)[offset + index + 1];
    }

    /** Whether nothing is left to score of its sequence once this part is. */
    boolean endsScoring() {
      int last = sequence.lastLongContinuation();
      if (last < 0 || continuation < 0) {
        return last < 0 && scored() > 0;
      }
      return continuation == last && offset + rows + 1 == sequence.continuations().get(last).length;
    }
  }

  /** Whether a part goes on by the next token of its answer, or by several that were drafted. */
  boolean decodes(int part) {
    Part p = parts.get(part);
    boolean inAnswer = positions[queryStarts[part]] >= p.sequence().promptLength();
    return p.rows() == 1 + p.drafts() && p.continuation() < 0 && inAnswer;
  }

  /** How the token of each logit row is chosen; greedily where it is only scored. */
  TokenChoice[] choices() {
    TokenChoice[] choices = new TokenChoice[logitRows.length];
    for (Part part : parts) {
      Sequence sequence = part.sequence();
      TokenChoice choice = sequence.scores() ? TokenChoice.GREEDY : sequence.choice();
      Arrays.fill(choices, part.firstLogit(), part.firstLogit() + part.logits(), choice);
    }
    return choices;
  }

  /** Tokens that are scored, those of a part one behind the other. */
  int scored() {
    return parts.stream().mapToInt(Part::scored).sum();
  }

  /** Rows that hold tokens which are only guessed. */
  int drafts() {
    return parts.stream().mapToInt(Part::drafts).sum();
  }

  int rows() {
    return tokenIds.length;
  }

  boolean isEmpty() {
    return tokenIds.length == 0;
  }
}
