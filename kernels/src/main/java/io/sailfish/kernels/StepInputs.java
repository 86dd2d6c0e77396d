package io.sailfish.kernels;

/**
 * What one forward step reads besides weights, all in backend memory so that a captured graph can
 * be replayed with new contents. Rows of one sequence are contiguous with ascending positions; a
 * decode row is a sequence with one row. Backends that {@link Backend#replay} take rows of padding
 * too: position and slot -1, token and sequence 0.
 *
 * @param tokenIds {@code [rows]}
 * @param positions {@code [rows]} position of the row in its sequence; it attends to 0..position
 * @param slots {@code [rows]} KV slot that the row's key and value are written to
 * @param rowSequences {@code [rows]} index of the row's sequence in this step
 * @param queryStarts {@code [sequences + 1]} first row of each sequence, then {@code rows}
 * @param blockTables {@code [sequences, blockTableStride]} KV block ids of each sequence in order
 * @param blockTableStride columns of {@code blockTables}
 * @param logitRows {@code [numLogitRows]} the rows whose logits are wanted
 */
public record StepInputs(
    IntTensor tokenIds,
    IntTensor positions,
    IntTensor slots,
    IntTensor rowSequences,
    IntTensor queryStarts,
    IntTensor blockTables,
    int blockTableStride,
    IntTensor logitRows) {}
