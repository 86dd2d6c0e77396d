package io.sailfish.llama;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.Utf8Column;
import java.util.concurrent.CompletableFuture;

/**
 * A loaded model ready for rows: tokenizer, chat template and engine of one checkpoint. One per
 * executor process and model; thread-safe; all tasks of the process share it.
 */
public interface LlamaRuntime extends AutoCloseable {
  RuntimeInfo info();

  /** Off-heap memory for the columns given to {@link #submit} and for results; capped. */
  ArrowMemory memory();

  /**
   * Starts a batch of rows; rows of all batches in flight share the engine's batch. Reads the
   * columns before it returns, so the caller may close them. The future completes when every row of
   * the batch has its answer or its own error; it fails only for what fails the whole engine (see
   * {@link RuntimeFailure}). Cancelling it cancels the rows.
   *
   * @param task what to do with a row's columns
   * @param columns the task's inputs, all of the same number of rows; a row with a null in any of
   *     them gives null without touching the engine
   */
  CompletableFuture<RowResults> submit(RowTask task, Utf8Column... columns);

  @Override
  void close();
}
