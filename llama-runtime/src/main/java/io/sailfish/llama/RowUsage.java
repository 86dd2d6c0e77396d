package io.sailfish.llama;

import java.io.Serializable;

/**
 * Sums over the rows of a batch, for metrics.
 *
 * @param rows rows that reached the engine
 * @param promptTokens their prompt tokens
 * @param outputTokens generated tokens
 * @param reusedTokens prompt tokens whose keys and values were there already (prefix or equal
 *     prompt)
 * @param truncatedRows prompts cut, or answered null, by the overflow policy
 * @param errorRows rows that ended in an error of their own
 * @param waitNanos time rows spent waiting for a slot, summed
 * @param stepRows rows over all engine steps these rows took part in, with {@code steps} the mean
 *     batch
 * @param steps engine steps, summed over rows
 * @param device what the rows took of the device
 */
public record RowUsage(
    long rows,
    long promptTokens,
    long outputTokens,
    long reusedTokens,
    long truncatedRows,
    long errorRows,
    long waitNanos,
    long stepRows,
    long steps,
    DeviceUse device)
    implements Serializable {}
