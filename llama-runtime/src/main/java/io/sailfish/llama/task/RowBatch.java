package io.sailfish.llama.task;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.Ticket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The rows of one submission: filled by the task's thread, completed by the engine's answer thread
 * when the last row is there. A row's own error stays its own; an error of the engine fails the
 * whole and cancels what is left.
 */
final class RowBatch {
  /** Where a row stands; exactly one of the fields is set, none for a null row. */
  private record Slot(Ticket ticket, RowWork.Answered answered, String error, boolean truncated) {
    static final Slot NULL = new Slot(null, null, null, false);
  }

  private final RowWork work;
  private final ArrowMemory memory;
  private final List<Slot> slots = new ArrayList<>();

  /** Rows without an end, and one more until {@link #seal}. */
  private final AtomicInteger open = new AtomicInteger(1);

  private final CompletableFuture<RowResults> future =
      new CompletableFuture<>() {
        @Override
        public boolean cancel(boolean mayInterruptIfRunning) {
          boolean cancelled = super.cancel(mayInterruptIfRunning);
          cancelRows();
          return cancelled;
        }
      };

  RowBatch(RowWork work, ArrowMemory memory) {
    this.work = work;
    this.memory = memory;
  }

  /** Lets the batch end only after this; its failure is the batch's. */
  void await(Ticket prerequisite) {
    open.incrementAndGet();
    prerequisite.whenComplete(
        (result, failure) -> {
          if (failure != null && future.completeExceptionally(failure)) {
            cancelRows();
          }
          rowEnded(null);
        });
  }

  void addNull() {
    add(Slot.NULL);
  }

  void addAnswer(RowWork.Answered answered) {
    add(new Slot(null, answered, null, answered.overflowed()));
  }

  void addError(RuntimeException error) {
    add(new Slot(null, null, message(error), false));
  }

  void addTicket(Ticket ticket, boolean truncated) {
    add(new Slot(ticket, null, null, truncated));
    open.incrementAndGet();
    ticket.whenComplete((result, failure) -> rowEnded(failure));
  }

  /** Whether further rows are in vain. */
  boolean hasFailed() {
    return future.isDone();
  }

  /** No more rows come. */
  CompletableFuture<RowResults> seal() {
    rowEnded(null);
    return future;
  }

  private synchronized void add(Slot slot) {
    slots.add(slot);
  }

  private synchronized void cancelRows() {
    for (Slot slot : slots) {
      if (slot.ticket() != null) {
        slot.ticket().cancel(true);
      }
    }
  }

  private void rowEnded(Throwable failure) {
    if (failure != null && !isRowsOwn(failure) && future.completeExceptionally(failure)) {
      cancelRows();
    }
    if (open.decrementAndGet() == 0 && !future.isDone()) {
      complete();
    }
  }

  private static boolean isRowsOwn(Throwable failure) {
    return failure instanceof CancellationException
        || failure instanceof RuntimeFailure known && known.kind() == Kind.USER;
  }

  private void complete() {
    try {
      RowResults results = results();
      if (!future.complete(results)) {
        results.close();
      }
    } catch (RuntimeException | Error e) {
      // Errors too: this is an action of a ticket, and what those throw nobody sees.
      future.completeExceptionally(RuntimeFailure.unexpected("writing the answers", e));
    }
  }

  private synchronized RowResults results() {
    UsageSum usage = new UsageSum();
    try (Utf8Writer text = writer();
        Utf8Writer error = writer()) {
      for (Slot slot : slots) {
        write(slot, text, error, usage);
      }
      Utf8Column texts = text.finish();
      try {
        return new ArrowResults(texts, error.finish(), usage.sum());
      } catch (RuntimeException e) {
        texts.close();
        throw e;
      }
    }
  }

  private Utf8Writer writer() {
    return Utf8Column.writer(memory.allocator(), slots.size(), 64L * slots.size());
  }

  private void write(Slot slot, Utf8Writer text, Utf8Writer error, UsageSum usage) {
    String answer = slot.answered() == null ? null : slot.answered().text();
    String problem = slot.error();
    if (slot.ticket() != null) {
      try {
        GenerationResult result = slot.ticket().join();
        usage.add(result, slot.ticket().usage());
        answer = work.answer(result);
      } catch (CompletionException | CancellationException e) {
        problem = message(e.getCause() == null ? e : e.getCause());
      }
    }
    usage.addRow(slot.truncated(), problem != null);
    text.write(problem == null ? answer : null);
    error.write(problem);
  }

  private static String message(Throwable error) {
    return error.getMessage() == null ? error.toString() : error.getMessage();
  }

  /** Adds up what rows took. */
  private static final class UsageSum {
    private long rows;
    private long promptTokens;
    private long outputTokens;
    private long reusedTokens;
    private long truncatedRows;
    private long errorRows;
    private long waitNanos;
    private long stepRows;
    private long steps;
    private DeviceUse device = DeviceUse.NONE;

    void add(GenerationResult result, Ticket.Usage took) {
      rows++;
      promptTokens += result.promptTokens();
      outputTokens += result.tokens().length;
      reusedTokens += result.reusedTokens();
      waitNanos += took.waitNanos();
      stepRows += took.stepRows();
      steps += took.steps();
      device = device.plus(took.device());
    }

    void addRow(boolean truncated, boolean failed) {
      truncatedRows += truncated ? 1 : 0;
      errorRows += failed ? 1 : 0;
    }

    RowUsage sum() {
      return new RowUsage(
          rows,
          promptTokens,
          outputTokens,
          reusedTokens,
          truncatedRows,
          errorRows,
          waitNanos,
          stepRows,
          steps,
          device);
    }
  }

  private record ArrowResults(Utf8Column text, Utf8Column error, RowUsage usage)
      implements RowResults {
    @Override
    public int rows() {
      return text.rows();
    }

    @Override
    public void close() {
      text.close();
      error.close();
    }
  }
}
