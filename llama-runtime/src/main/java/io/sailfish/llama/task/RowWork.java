package io.sailfish.llama.task;

import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.Ticket;

/** How one kind of task treats a row. Thread-safe. */
interface RowWork {
  /** A row on its way to the engine, or already answered. */
  sealed interface Prepared permits ToEngine, Answered {}

  record ToEngine(GenerationRequest request, boolean truncated) implements Prepared {}

  /**
   * Answered without the engine.
   *
   * @param text null where the answer is null
   * @param overflowed whether it is null because the prompt was too long
   */
  record Answered(String text, boolean overflowed) implements Prepared {}

  /** What has to be done before {@link #answer} is called; null if nothing. */
  default Ticket prerequisite() {
    return null;
  }

  /**
   * @throws RuntimeException the row's own error
   */
  Prepared prepare(String content);

  /** The row's answer. */
  String answer(GenerationResult result);
}
