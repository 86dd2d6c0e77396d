package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult.Finish;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.List;
import java.util.Map;
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
  private final Tokenizer tokenizer;
  private final Scheduler scheduler;
  private final Speculation speculation;
  private final StepPipeline steps;
  private final RequestLimits requestLimits;
  private final LiveRows rows = new LiveRows();
  private final EngineCounters counters = new EngineCounters();
  private final Commands commands = new Commands();
  private final AnswerThread answers;
  private final Thread thread;
  private volatile EngineMetrics metrics = new EngineCounters().snapshot(0);
  private boolean closing;

  private Engine(
      StepExecutor executor, Tokenizer tokenizer, EngineConfig config, StepTimeline timeline) {
    if (executor.runsAhead() && !executor.separatesPrompts()) {
      throw new IllegalArgumentException(
          "an executor that runs ahead has to compute prompts and answers by different operators");
    }
    this.config = config;
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
    Map<Sequence, Row> live = rows.bySequence();
    StepOutputs outputs = new StepOutputs(config, executor, counters, live, new EndsOfRows());
    this.steps =
        new StepPipeline(executor, scheduler, speculation, outputs, counters, live, timeline);
    this.answers = new AnswerThread("sailfish-answers-" + config.name());
    this.thread = AnswerThread.daemon(this::run, "sailfish-engine-" + config.name());
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
    Ticket ticket = new Ticket(request, t -> commands.add(() -> drop(t)));
    String refusal = requestLimits.refusal(request);
    if (refusal != null) {
      ticket.completeExceptionally(new RuntimeFailure(Kind.USER, refusal, null));
      return ticket;
    }
    RuntimeFailure failure = commands.add(() -> accept(ticket));
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
    commands.add(() -> closing = true);
    boolean mayWait = !answers.isCurrent();
    boolean interrupted = false;
    while (thread.isAlive() || mayWait && !answers.hasEnded()) {
      try {
        thread.join();
        answers.shutdown();
        if (mayWait) {
          answers.awaitEnd();
        }
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
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
      long begin = System.nanoTime();
      steps.begin(begin);
      counters.idleNanos += begin - start;
      first.run();
    }
    commands.runAll();
  }

  private void accept(Ticket ticket) {
    if (ticket.isDone()) {
      return;
    }
    rows.join(ticket, tokenizer).ifPresent(row -> scheduler.add(row.sequence));
  }

  private void drop(Ticket ticket) {
    counters.cancelledRows++;
    rows.leave(ticket).ifPresent(this::forget);
  }

  /** Plans a step, with drafts where they pay, and hands it on; or settles the last one. */
  private void step() {
    if (closing || rows.isEmpty() && steps.isEmpty()) {
      return;
    }
    if (!steps.isEmpty() && speculation.pays(scheduler, rows.bySequence()) && !settled()) {
      return;
    }
    long start = System.nanoTime();
    if (steps.isEmpty()) {
      speculation.propose(scheduler, rows.bySequence());
    }
    BatchPlan plan = scheduler.plan();
    counters.planNanos += System.nanoTime() - start;
    if (plan.isEmpty() && steps.isEmpty()) {
      throw new IllegalStateException(
          "nothing planned with %d sequences waiting and %d running"
              .formatted(scheduler.numWaiting(), scheduler.numRunning()));
    }
    try {
      steps.advance(plan);
    } catch (RuntimeException | OutOfMemoryError e) {
      failRunning(e);
    }
    publish();
  }

  /** Settles the queued step before another is planned; whether rows are left to plan one for. */
  private boolean settled() {
    try {
      steps.settle();
    } catch (RuntimeException | OutOfMemoryError e) {
      failRunning(e);
    }
    publish();
    return !rows.isEmpty();
  }

  private void publish() {
    metrics = counters.snapshot(scheduler.preemptions());
    answers.handOver();
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
    answers.add(() -> row.answer(finish, tokenizer));
  }

  private void fail(Row row, RuntimeFailure failure) {
    counters.failedRows++;
    forget(row);
    answers.add(() -> row.fail(failure));
  }

  private void forget(Row row) {
    scheduler.remove(row.sequence);
    row.sequence.dropUnknown();
    rows.remove(row);
  }

  /** The cache's contents are unknown after a failed step, so what runs cannot go on. */
  private void failRunning(Throwable cause) {
    RuntimeFailure failure = RuntimeFailure.unexpected(config.name() + ": a step failed", cause);
    if (failure.kind() == Kind.FATAL) {
      throw failure;
    }
    steps.drop();
    List<Sequence> running = scheduler.dropRunning();
    LOG.warn("engine {}: a step failed, {} rows with it", config.name(), running.size(), cause);
    for (Sequence sequence : running) {
      fail(rows.of(sequence), failure);
    }
    // What was put back may have waited for a token of that step; it is computed again.
    rows.all().forEach(row -> row.sequence.dropUnknown());
  }

  private void end(RuntimeFailure reason) {
    // Requests that came too late become rows too, to fail with the others.
    commands.end(reason).forEach(Runnable::run);
    rows.all().forEach(row -> fail(row, reason));
    scheduler.dropRunning();
    publish();
    answers.shutdown();
    try {
      steps.close();
    } catch (RuntimeException e) {
      LOG.warn("engine {}: its memory or its timeline could not be closed", config.name(), e);
    }
  }
}
