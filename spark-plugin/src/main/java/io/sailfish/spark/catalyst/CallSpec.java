package io.sailfish.spark.catalyst;

import io.sailfish.llama.RowTask;
import java.io.Serializable;

/**
 * A call as the executor needs it.
 *
 * @param function SQL name, for messages
 * @param model endpoint name
 * @param task what the engine does with a row; for labels that come from a column without them
 * @param errorsAsValues whether a row's error is part of its value or fails the query
 * @param labelsPerRow whether the second input is the row's labels
 */
public record CallSpec(
    String function, String model, RowTask task, boolean errorsAsValues, boolean labelsPerRow)
    implements Serializable {}
