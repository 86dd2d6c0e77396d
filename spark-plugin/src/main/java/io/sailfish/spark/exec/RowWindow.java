package io.sailfish.spark.exec;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.spark.SailfishException;
import io.sailfish.spark.catalyst.CallSpec;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.JoinedRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.util.TaskCompletionListener;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;

/**
 * A partition's rows with their answers, in order. Nothing is read before the first {@link
 * #hasNext}. Then a sliding window of rows is in flight: small batches go to the engine, and the
 * next one as soon as any is done, so that the engine's batch never drains while rows are left. The
 * window starts small and doubles with each batch that is read, so that a LIMIT costs few rows.
 *
 * <p>One thread reads; the engine's threads only count batches as done.
 */
final class RowWindow extends AbstractIterator<InternalRow> {
  /** How often a waiting task looks whether it was killed. */
  private static final long KILL_CHECK_MILLIS = 100;

  /**
   * Rows held at most, in windows, once the window is full-grown: done ones that wait for a slower
   * one before them count.
   */
  private static final int HELD_WINDOWS = 4;

  private final AiEvaluator evaluator;
  private final Iterator<InternalRow> input;
  private final TaskContext task;
  private final UnsafeProjection inputs;
  private final UnsafeProjection output;
  private final JoinedRow joined = new JoinedRow();
  private final ArrayDeque<RowBatch> pending = new ArrayDeque<>();
  private final AtomicInteger rowsAtWork = new AtomicInteger();
  private final Semaphore done = new Semaphore(0);

  private ExecutorRuntimes executor;
  private List<LlamaRuntime> runtimes;
  private RowBatch head;
  private int windowRows;
  private int maxWindowRows;
  private long heldRows;
  private long heldBytes;
  private boolean closed;

  RowWindow(AiEvaluator evaluator, Iterator<InternalRow> input, int partition, TaskContext task) {
    this.evaluator = evaluator;
    this.input = input;
    this.task = task;
    inputs = UnsafeProjection.create(evaluator.inputs(), evaluator.childOutput());
    inputs.initialize(partition);
    output = UnsafeProjection.create(RowBatch.expressions(evaluator.output()), evaluator.output());
    evaluator.metrics().start();
    task.addTaskCompletionListener((TaskCompletionListener) context -> close());
  }

  @Override
  public boolean hasNext() {
    if (head != null && head.hasNext()) {
      return true;
    }
    try {
      return !closed && advance();
    } catch (SailfishException e) {
      throw giveUpIfFinal(e);
    }
  }

  @Override
  public InternalRow next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    evaluator.metrics().addRow();
    try {
      return output.apply(joined.apply(head.nextRow(), head.answers()));
    } catch (SailfishException e) {
      throw giveUpIfFinal(e);
    }
  }

  private SailfishException giveUpIfFinal(SailfishException failure) {
    if (failure.isFinal() && executor != null) {
      executor.host().giveUp(task, failure);
    }
    return failure;
  }

  /** Makes the next batch the head; false at the end of the input. */
  private boolean advance() {
    if (head != null) {
      heldRows -= head.rows();
      heldBytes -= head.bytes();
      head.close();
      head = null;
      windowRows = (int) Math.min(maxWindowRows, 2L * windowRows);
    }
    while (true) {
      task.killTaskIfInterrupted();
      fill();
      RowBatch next = pending.peek();
      if (next == null) {
        return false;
      }
      if (next.isDone()) {
        head = pending.poll();
        head.open(evaluator.metrics(), executor.host());
        return true;
      }
      await(done);
    }
  }

  /** Hands batches to the engine until the window is full. */
  private void fill() {
    while (hasRoom() && input.hasNext()) {
      if (runtimes == null) {
        runtimes = load();
      }
      submit();
    }
  }

  private boolean hasRoom() {
    if (pending.isEmpty()) {
      return true;
    }
    long maxHeld = windowRows < maxWindowRows ? windowRows : (long) HELD_WINDOWS * windowRows;
    return rowsAtWork.get() + evaluator.window().batchRows() <= windowRows
        && heldRows < maxHeld
        && heldBytes < evaluator.window().maxBytes();
  }

  private void submit() {
    RowBatch batch = new RowBatch(evaluator.calls(), runtimes);
    pending.add(batch); // from here on close() looks after it
    int most = Math.min(evaluator.window().batchRows(), windowRows);
    long mostBytes = evaluator.window().maxBytes() / HELD_WINDOWS;
    while (batch.rows() < most && batch.bytes() < mostBytes && input.hasNext()) {
      InternalRow row = input.next();
      batch.add(row, inputs.apply(row));
    }
    heldRows += batch.rows();
    heldBytes += batch.bytes();
    rowsAtWork.addAndGet(batch.rows());
    batch
        .submit()
        .whenComplete(
            (results, failure) -> {
              rowsAtWork.addAndGet(-batch.rows());
              done.release();
            });
  }

  /** Waits for the models of all calls; they are loaded side by side. */
  private List<LlamaRuntime> load() {
    executor = ExecutorRuntimes.current();
    Map<String, CompletableFuture<LlamaRuntime>> loading = new LinkedHashMap<>();
    for (CallSpec call : evaluator.calls()) {
      loading.computeIfAbsent(call.model(), executor::runtime);
    }
    List<LlamaRuntime> loaded = new ArrayList<>();
    for (CallSpec call : evaluator.calls()) {
      CompletableFuture<LlamaRuntime> runtime = loading.get(call.model());
      Semaphore ready = new Semaphore(0);
      runtime.whenComplete((model, failure) -> ready.release());
      while (!runtime.isDone()) {
        task.killTaskIfInterrupted();
        await(ready);
      }
      try {
        loaded.add(runtime.join());
      } catch (CompletionException e) {
        throw FailurePolicy.unavailable(call.model(), e, executor.host());
      }
    }
    int cap = loaded.stream().mapToInt(model -> model.info().batchCap()).max().orElse(1);
    maxWindowRows = evaluator.window().rowsFor(cap);
    windowRows = Math.min(evaluator.window().firstRows(), maxWindowRows);
    return loaded;
  }

  private void await(Semaphore event) {
    long start = System.nanoTime();
    try {
      if (event.tryAcquire(KILL_CHECK_MILLIS, TimeUnit.MILLISECONDS)) {
        event.drainPermits();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      task.killTaskIfInterrupted();
      throw new IllegalStateException("the task's thread was interrupted", e);
    } finally {
      evaluator.metrics().addWait(System.nanoTime() - start);
    }
  }

  /** At the task's end, whatever ended it: cancels rows in flight and gives memory back. */
  private void close() {
    if (closed) {
      return;
    }
    closed = true;
    evaluator.metrics().end();
    if (head != null) {
      head.close();
      head = null;
    }
    pending.forEach(RowBatch::close);
    pending.clear();
  }
}
