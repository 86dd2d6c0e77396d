package io.sailfish.llama.task;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.Utf8Column;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.RuntimeInfo;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Runs tasks on one engine. Owns engine, tokenizer and memory. */
public final class EngineRuntime implements LlamaRuntime {
  /** Label sets kept with what they score for no text; labels may come from a column. */
  private static final int MAX_KEPT_LABEL_SETS = 64;

  private final RuntimeInfo info;
  private final Engine engine;
  private final Tokenizer tokenizer;
  private final ArrowMemory memory;
  private final PromptEncoder encoder;
  private final int endOfTurn;

  private final Map<RowTask.Classify, ClassifyWork> classifiers =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<RowTask.Classify, ClassifyWork> eldest) {
          return size() > MAX_KEPT_LABEL_SETS;
        }
      };

  /** Takes engine, tokenizer and memory over; {@link #close} closes them. */
  public EngineRuntime(
      RuntimeInfo info,
      Engine engine,
      Tokenizer tokenizer,
      ArrowMemory memory,
      PromptEncoder encoder) {
    this.info = info;
    this.engine = engine;
    this.tokenizer = tokenizer;
    this.memory = memory;
    this.encoder = encoder;
    this.endOfTurn = EndOfTurn.of(encoder);
  }

  @Override
  public RuntimeInfo info() {
    return info;
  }

  @Override
  public ArrowMemory memory() {
    return memory;
  }

  /** The engine beneath, for its metrics and for benchmarks without rows. */
  public Engine engine() {
    return engine;
  }

  @Override
  public CompletableFuture<RowResults> submit(RowTask task, Utf8Column... columns) {
    if (columns.length != 1) {
      throw new IllegalArgumentException(
          task.getClass().getSimpleName() + " takes one column, got " + columns.length);
    }
    RowWork work;
    try {
      work = work(task);
    } catch (RuntimeFailure e) {
      return CompletableFuture.failedFuture(e);
    }
    RowBatch batch = new RowBatch(work, memory);
    if (work.prerequisite() != null) {
      batch.await(work.prerequisite());
    }
    Utf8Column column = columns[0];
    for (int row = 0; row < column.rows() && !batch.hasFailed(); row++) {
      if (column.isNull(row)) {
        batch.addNull();
      } else {
        add(batch, work, column.text(row));
      }
    }
    return batch.seal();
  }

  private void add(RowBatch batch, RowWork work, String content) {
    RowWork.Prepared prepared;
    try {
      prepared = work.prepare(content);
    } catch (RuntimeException e) {
      // Whatever this row's text does to template or tokenizer stays this row's error.
      batch.addError(e);
      return;
    }
    if (prepared instanceof RowWork.ToEngine row) {
      batch.addTicket(engine.submit(row.request()), row.truncated());
    } else {
      batch.addAnswer((RowWork.Answered) prepared);
    }
  }

  private RowWork work(RowTask task) {
    if (task instanceof RowTask.Generate generate) {
      return new GenerateWork(generate, encoder);
    }
    RowTask.Classify classify = (RowTask.Classify) task;
    checkLabels(classify);
    synchronized (classifiers) {
      ClassifyWork known = classifiers.get(classify);
      boolean failed = known != null && hasFailed(known.prerequisite());
      if (known == null || failed) {
        known = new ClassifyWork(classify, encoder, endOfTurn, engine::submit);
        classifiers.put(classify, known);
      }
      return known;
    }
  }

  private static boolean hasFailed(Ticket ticket) {
    return ticket != null && ticket.isCompletedExceptionally();
  }

  private static void checkLabels(RowTask.Classify task) {
    long distinct = task.labels().stream().distinct().count();
    boolean empty = task.labels().stream().anyMatch(String::isBlank);
    if (task.labels().isEmpty() || empty || distinct < task.labels().size()) {
      throw new RuntimeFailure(
          Kind.USER,
          "labels have to be at least one, distinct and none empty, got " + task.labels(),
          null);
    }
  }

  @Override
  public void close() {
    engine.close();
    tokenizer.close();
    memory.close();
  }
}
