package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult.Finish;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers requests of all tasks of a process in one continuous batch. Requests are submitted from
 * any thread; one thread owns the device and runs plan, forward, sampling, step after step; a
 * second one makes texts of finished rows and completes their tickets, so that nobody's code runs
 * between two steps. Where the executor runs ahead, a step is queued before the tokens of the one
 * before it are known here, so that a device never waits for this thread: rows take their tokens on
 * the device, and a row that has ended is noticed one step late.
 *
 * <p>A failing step fails the rows that run with a {@link RuntimeFailure}; waiting rows go on
 * unless it is FATAL, after which the engine takes no more requests.
 */
public final class Engine implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

  private final EngineConfig config;
  private final StepExecutor executor;
  private final Tokenizer tokenizer;
  private final Scheduler scheduler;
  private final Speculation speculation;
  private final StepOutputs outputs;
  private final RequestLimits requestLimits;
  private final Map<Sequence, Row> rows = new IdentityHashMap<>();
  private final Map<Row.Key, Row> rowsByKey = new HashMap<>();
  private final EngineCounters counters = new EngineCounters();

  /** The step that was queued last, as long as its outputs have not been looked at. */
  private QueuedStep queued;

  private long settledNanos;

  /** When the last step's tokens were with their rows, or the first request came after none. */
  private long turnNanos;

  private final LinkedBlockingQueue<Runnable> commands = new LinkedBlockingQueue<>();
  private final ExecutorService answers;
  private volatile Thread answerThread;

  /** Ends of rows, handed over once the metrics of their step can be seen. */
  private final List<Runnable> ends = new ArrayList<>();

  private final Thread thread;
  private volatile EngineMetrics metrics = new EngineCounters().snapshot(0);
  private boolean closing;

  /** Why no more requests are taken; guarded by {@link #commands}. */
  private RuntimeFailure ended;

  /** Null unless one was asked for. */
  private final StepTimeline timeline;

  private Engine(
      StepExecutor executor, Tokenizer tokenizer, EngineConfig config, StepTimeline timeline) {
    if (executor.runsAhead() && !executor.separatesPrompts()) {
      throw new IllegalArgumentException(
          "an executor that runs ahead has to compute prompts and answers by different operators");
    }
    this.config = config;
    this.timeline = timeline;
    this.executor = executor;
    this.tokenizer = tokenizer;
    BlockPool pool =
        new BlockPool(
            config.kvBlocks(),
            config.blockTokens(),
            config.prefixReuse(),
            executor.separatesPrompts());
    this.scheduler = new Scheduler(config.limits(), pool);
    this.speculation = new Speculation(config, Speculation.Steps.of(executor));
    speculation.rehearse();
    this.requestLimits =
        new RequestLimits(
            config.name(), config.contextTokens(), executor.vocabulary(), executor.mostWeighed());
    this.outputs = new StepOutputs(config, executor, counters, rows, new EndsOfRows());
    this.answers =
        Executors.newSingleThreadExecutor(
            task -> answerThread = daemon(task, "sailfish-answers-" + config.name()));
    this.thread = daemon(this::run, "sailfish-engine-" + config.name());
  }

  /**
   * Starts an engine that owns {@code executor} and closes it, on its own thread, when it ends. The
   * tokenizer stays the caller's and has to outlive the engine.
   */
  static Engine start(StepExecutor executor, Tokenizer tokenizer, EngineConfig config) {
    return start(executor, tokenizer, config, null);
  }

  /** The same with a timeline, which the engine closes; null for none. */
  static Engine start(
      StepExecutor executor, Tokenizer tokenizer, EngineConfig config, StepTimeline timeline) {
    Engine engine = new Engine(executor, tokenizer, config, timeline);
    engine.thread.start();
    return engine;
  }

  public EngineConfig config() {
    return config;
  }

  /** As of the last step. */
  public EngineMetrics metrics() {
    return metrics;
  }

  /**
   * Queues a request; the order of submission is the order of admission. The request's arrays must
   * not be changed afterwards. A request that can never run gives a ticket failed with USER.
   */
  public Ticket submit(GenerationRequest request) {
    Ticket ticket = new Ticket(request, t -> enqueue(() -> drop(t)));
    String refusal = requestLimits.refusal(request);
    if (refusal != null) {
      ticket.completeExceptionally(new RuntimeFailure(Kind.USER, refusal, null));
      return ticket;
    }
    RuntimeFailure failure = enqueue(() -> accept(ticket));
    if (failure != null) {
      ticket.completeExceptionally(failure);
    }
    return ticket;
  }

  /**
   * Ends after the current step; rows in flight fail with RETRYABLE. Returns when both threads have
   * ended, as they use the tokenizer; an action of a ticket may call it and is not waited for.
   */
  @Override
  public void close() {
    enqueue(() -> closing = true);
    boolean mayWait = Thread.currentThread() != answerThread;
    boolean interrupted = false;
    while (thread.isAlive() || mayWait && !answers.isTerminated()) {
      try {
        thread.join();
        answers.shutdown();
        if (mayWait) {
          answers.awaitTermination(1, TimeUnit.MINUTES);
        }
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Hands a command to the engine's thread; the reason if that takes no more. */
  private RuntimeFailure enqueue(Runnable command) {
    synchronized (commands) {
      if (ended == null) {
        commands.add(command);
      }
      return ended;
    }
  }

  private void run() {
    RuntimeFailure reason;
    try {
      while (!closing) {
        takeCommands();
        step();
      }
      reason = new RuntimeFailure(Kind.RETRYABLE, "engine " + config.name() + " closed", null);
    } catch (RuntimeFailure fatal) {
      reason = fatal;
    } catch (Throwable bug) {
      LOG.error("engine {}: its thread failed", config.name(), bug);
      reason = new RuntimeFailure(Kind.FATAL, "engine " + config.name() + ": " + bug, bug);
    }
    end(reason);
  }

  private void takeCommands() throws InterruptedException {
    if (rows.isEmpty()) {
      settled(); // what was queued behind the last row's end, or its time would be the next one's
      long start = System.nanoTime();
      Runnable first = commands.take();
      turnNanos = System.nanoTime();
      counters.idleNanos += turnNanos - start;
      first.run();
    }
    for (Runnable next = commands.poll(); next != null; next = commands.poll()) {
      next.run();
    }
  }

  private void accept(Ticket ticket) {
    if (ticket.isDone()) {
      return;
    }
    Row.Key key = Row.Key.of(ticket.request());
    Row equal = rowsByKey.get(key);
    if (equal != null) {
      equal.tickets.add(ticket);
      return;
    }
    Row row = new Row(key, ticket, tokenizer);
    rowsByKey.put(key, row);
    rows.put(row.sequence, row);
    scheduler.add(row.sequence);
  }

  private void drop(Ticket ticket) {
    counters.cancelledRows++;
    Row row = rowsByKey.get(Row.Key.of(ticket.request()));
    if (row != null && row.tickets.remove(ticket) && row.tickets.isEmpty()) {
      forget(row);
    }
  }

  /**
   * Queues a step and settles the one before, whose tokens the queued one takes where they are.
   * Where an executor does not run ahead, or the host has to say what came true of drafts, the step
   * is settled as well.
   */
  private void step() {
    if (closing || rows.isEmpty() && queued == null) {
      return;
    }
    if (queued != null && speculation.pays(scheduler, rows) && !settled()) {
      return;
    }
    long start = System.nanoTime();
    if (queued == null) {
      speculation.propose(scheduler, rows);
    }
    BatchPlan plan = scheduler.plan();
    counters.planNanos += System.nanoTime() - start;
    if (plan.isEmpty() && queued == null) {
      throw new IllegalStateException(
          "nothing planned with %d sequences waiting and %d running"
              .formatted(scheduler.numWaiting(), scheduler.numRunning()));
    }
    try {
      QueuedStep next = plan.isEmpty() ? null : queue(plan);
      settle();
      queued = next;
      if (next != null && next.settleAtOnce()) {
        settle();
      }
    } catch (RuntimeException | OutOfMemoryError e) {
      failRunning(e);
    }
    publish();
  }

  /** Settles the queued step before another is planned; whether rows are left to plan one for. */
  private boolean settled() {
    try {
      settle();
    } catch (RuntimeException | OutOfMemoryError e) {
      failRunning(e);
    }
    publish();
    return !rows.isEmpty();
  }

  private QueuedStep queue(BatchPlan plan) {
    int decoding = EngineCounters.decoding(plan);
    long start = System.nanoTime();
    StepExecutor.Logits output = executor.execute(plan);
    counters.queueNanos += System.nanoTime() - start;
    boolean hostDecides = false;
    for (BatchPlan.Part part : plan.parts()) {
      Sequence sequence = part.sequence();
      if (part.drafts() > 0) {
        hostDecides = true;
      } else if (part.scored() > 0) {
        if (part.endsScoring()) {
          sequence.seal();
        }
      } else if (part.logits() > 0) {
        sequence.appendUnknown(output.source(part.firstLogit()));
        Row row = rows.get(sequence);
        if (outputs.isLast(row, sequence.length())) {
          sequence.seal();
        }
      }
    }
    return new QueuedStep(plan, output, decoding, start, hostDecides || !executor.runsAhead());
  }

  /** Waits for the queued step, if there is one, and hands its tokens to their rows. */
  private void settle() {
    QueuedStep step = queued;
    if (step == null) {
      return;
    }
    queued = null;
    long waiting = System.nanoTime();
    step.output().await();
    long executed = System.nanoTime();
    counters.awaitNanos += executed - waiting;
    long begun = Math.max(step.startNanos(), settledNanos);
    BatchPlan plan = step.plan();
    counters.step(plan, step.decoding(), executed - begun);
    settledNanos = executed;
    StepUse use = step.use(executed - begun, executor, scheduler.kvUse());
    long accepted = counters.acceptedTokens;
    outputs.apply(plan, step.output(), use);
    accepted = counters.acceptedTokens - accepted;
    long end = System.nanoTime();
    counters.samplingNanos += end - executed;
    speculation.measured(plan, step.decoding(), accepted, end - turnNanos);
    turnNanos = end;
    if (timeline != null) {
      timeline.step(use, new StepTimeline.Times(step.startNanos(), begun, waiting, executed, end));
      timeline.queue(scheduler.numRunning(), scheduler.numWaiting(), end);
    }
  }

  private void publish() {
    metrics = counters.snapshot(scheduler.preemptions());
    ends.forEach(answers::execute);
    ends.clear();
  }

  /** Rows end while a step's outputs are looked at. */
  private final class EndsOfRows implements StepOutputs.Ends {
    @Override
    public void finished(Row row, Finish finish) {
      finish(row, finish);
    }

    @Override
    public void failed(Row row, RuntimeFailure failure) {
      fail(row, failure);
    }
  }

  private void finish(Row row, Finish finish) {
    counters.finishedRows++;
    counters.sharedRows += row.tickets.size() - 1;
    forget(row);
    ends.add(() -> row.answer(finish, tokenizer));
  }

  private void fail(Row row, RuntimeFailure failure) {
    counters.failedRows++;
    forget(row);
    ends.add(() -> row.fail(failure));
  }

  private void forget(Row row) {
    scheduler.remove(row.sequence);
    row.sequence.dropUnknown();
    rows.remove(row.sequence);
    rowsByKey.remove(row.key);
  }

  /** The cache's contents are unknown after a failed step, so what runs cannot go on. */
  private void failRunning(Throwable cause) {
    RuntimeFailure failure = RuntimeFailure.unexpected(config.name() + ": a step failed", cause);
    if (failure.kind() == Kind.FATAL) {
      throw failure;
    }
    queued = null;
    List<Sequence> running = scheduler.dropRunning();
    LOG.warn("engine {}: a step failed, {} rows with it", config.name(), running.size(), cause);
    for (Sequence sequence : running) {
      fail(rows.get(sequence), failure);
    }
    // What was put back may have waited for a token of that step; it is computed again.
    rows.keySet().forEach(Sequence::dropUnknown);
  }

  private void end(RuntimeFailure reason) {
    List<Runnable> left = new ArrayList<>();
    synchronized (commands) {
      ended = reason;
      commands.drainTo(left);
    }
    // Requests that came too late become rows too, to fail with the others.
    left.forEach(Runnable::run);
    for (Row row : new ArrayList<>(rows.values())) {
      fail(row, reason);
    }
    scheduler.dropRunning();
    publish();
    answers.shutdown();
    if (timeline != null) {
      timeline.close();
    }
    try {
      executor.close();
    } catch (RuntimeException e) {
      LOG.warn("engine {}: its memory could not be freed", config.name(), e);
    }
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }
}
