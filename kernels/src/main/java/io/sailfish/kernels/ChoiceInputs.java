package io.sailfish.kernels;

/**
 * What the choice of tokens reads besides logits, all in backend memory like {@link StepInputs}.
 *
 * @param ends ids of tokens that end an answer; null = none
 * @param choices {@code [rows, TokenChoice.PACKED]} how each row's token is chosen ({@link
 *     io.sailfish.kernels.choice.TokenChoice#pack}); null = all are greedy, without penalty and
 *     mask, and nothing below is read
 * @param masks {@code [masks, ceil(vocabulary / 32)]} which tokens may be chosen: bit i % 32 of
 *     word i / 32; rows name theirs by number. null = no row has one
 * @param rowIds {@code [rows]} row of the step that each row of logits belongs to; null = its own
 *     number
 * @param step positions and block tables of the rows
 * @param cache what {@link Backend#takeTokens} told the tokens of all positions up to the rows'
 */
public record ChoiceInputs(
    IntTensor ends,
    IntTensor choices,
    IntTensor masks,
    IntTensor rowIds,
    StepInputs step,
    KvCache cache) {
  /** The bit of a chosen token that says that it ends the answer. */
  public static final int ENDS = 1 << 30;

  public static ChoiceInputs greedy(IntTensor ends) {
    return new ChoiceInputs(ends, null, null, null, null, null);
  }
}
