package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult.Finish;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
 * between two steps.
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
  private final Sampler sampler;
  private final RequestLimits requestLimits;
  private final float[] logits;
  private final Map<Sequence, Row> rows = new IdentityHashMap<>();
  private final Map<Row.Key, Row> rowsByKey = new HashMap<>();
  private final EngineCounters counters = new EngineCounters();
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

  private Engine(StepExecutor executor, Tokenizer tokenizer, EngineConfig config) {
    this.config = config;
    this.executor = executor;
    this.tokenizer = tokenizer;
    BlockPool pool =
        new BlockPool(
            config.kvBlocks(),
            config.blockTokens(),
            config.prefixReuse(),
            executor.separatesPrompts());
    this.scheduler = new Scheduler(config.limits(), pool);
    this.sampler = new Sampler(executor.vocabulary());
    this.requestLimits =
        new RequestLimits(config.name(), config.contextTokens(), executor.vocabulary());
    this.logits = new float[executor.vocabulary()];
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
    Engine engine = new Engine(executor, tokenizer, config);
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
      long start = System.nanoTime();
      Runnable first = commands.take();
      counters.idleNanos += System.nanoTime() - start;
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

  private void step() {
    if (closing || rows.isEmpty()) {
      return;
    }
    long start = System.nanoTime();
    BatchPlan plan = scheduler.plan();
    if (plan.isEmpty()) {
      throw new IllegalStateException(
          "nothing planned with %d sequences waiting and %d running"
              .formatted(scheduler.numWaiting(), scheduler.numRunning()));
    }
    long planned = System.nanoTime();
    counters.planNanos += planned - start;
    try {
      StepExecutor.Logits output = executor.execute(plan);
      long executed = System.nanoTime();
      counters.step(plan, executed - planned);
      apply(plan, output);
      counters.samplingNanos += System.nanoTime() - executed;
    } catch (RuntimeException | OutOfMemoryError e) {
      failRunning(e);
    }
    publish();
  }

  private void publish() {
    metrics = counters.snapshot(scheduler.preemptions());
    ends.forEach(answers::execute);
    ends.clear();
  }

  private void apply(BatchPlan plan, StepExecutor.Logits output) {
    long now = System.nanoTime();
    Set<Row> scored = new LinkedHashSet<>();
    for (BatchPlan.Part part : plan.parts()) {
      Row row = rows.get(part.sequence());
      if (row == null) {
        continue;
      }
      note(row, plan, now);
      if (part.continuation() >= 0) {
        scoreContinuation(row, part, output);
        scored.add(row);
      } else if (part.logits() > 0) {
        if (row.sequence.scores()) {
          output.read(part.firstLogit(), logits);
          scoreFirst(row);
          scored.add(row);
        } else {
          choose(row, output, part.firstLogit());
        }
      }
    }
    scored.forEach(this::finishScored);
  }

  private void note(Row row, BatchPlan plan, long now) {
    row.steps++;
    row.stepRows += plan.parts().size();
    if (!row.started) {
      row.started = true;
      row.waitNanos = now - row.tickets.get(0).submittedNanos();
      counters.waitNanos += row.waitNanos;
      counters.promptTokens += row.sequence.promptLength();
      counters.reusedTokens += row.sequence.reusedTokens();
    }
  }

  private void choose(Row row, StepExecutor.Logits output, int index) {
    Sequence sequence = row.sequence;
    int token;
    if (Sampler.needsLogits(row.params)) {
      output.read(index, logits);
      token =
          sampler.sample(logits, row.params, sequence.tokens(), sequence.length(), row.promptHash);
    } else {
      token = output.greedy(index, logits);
    }
    if (token < 0) {
      failNotANumber(row);
      return;
    }
    counters.outputTokens++;
    if (config.stopIds().contains(token)) {
      finish(row, Finish.STOP);
      return;
    }
    sequence.append(token);
    if (row.text != null && row.text.append(token)) {
      finish(row, Finish.STOP);
    } else if (sequence.length() - sequence.promptLength() >= row.params.maxTokens()
        || sequence.length() > config.contextTokens()) {
      finish(row, Finish.LENGTH);
    }
  }

  private void scoreFirst(Row row) {
    double normalizer = LogProbs.logSumExp(logits);
    if (Double.isNaN(normalizer)) {
      failNotANumber(row);
      return;
    }
    List<int[]> continuations = row.sequence.continuations();
    for (int i = 0; i < continuations.size(); i++) {
      row.firstLogProbs[i] = logits[continuations.get(i)[0]] - normalizer;
    }
    counters.scoredTokens += continuations.size();
  }

  private void scoreContinuation(Row row, BatchPlan.Part part, StepExecutor.Logits output) {
    int[] continuation = row.sequence.continuations().get(part.continuation());
    if (part.offset() == 0) {
      row.restLogProbs[part.continuation()] = 0;
    }
    for (int i = 0; i < part.rows(); i++) {
      output.read(part.firstLogit() + i, logits);
      double normalizer = LogProbs.logSumExp(logits);
      if (Double.isNaN(normalizer)) {
        failNotANumber(row);
        return;
      }
      row.restLogProbs[part.continuation()] +=
          logits[continuation[part.offset() + i + 1]] - normalizer;
    }
    counters.scoredTokens += part.rows();
  }

  private void finishScored(Row row) {
    Sequence sequence = row.sequence;
    boolean onlyFirst = sequence.continuations().stream().allMatch(tokens -> tokens.length == 1);
    boolean all = sequence.nextContinuation() == sequence.continuations().size();
    if (rows.containsKey(sequence) && (onlyFirst || all)) {
      finish(row, Finish.SCORED);
    }
  }

  private void finish(Row row, Finish finish) {
    counters.finishedRows++;
    counters.sharedRows += row.tickets.size() - 1;
    forget(row);
    ends.add(() -> row.answer(finish, tokenizer));
  }

  private void failNotANumber(Row row) {
    fail(
        row,
        new RuntimeFailure(
            Kind.USER,
            "%s: the logits at position %d are not numbers"
                .formatted(config.name(), row.sequence.length() - 1),
            null));
  }

  private void fail(Row row, RuntimeFailure failure) {
    counters.failedRows++;
    forget(row);
    ends.add(() -> row.fail(failure));
  }

  private void forget(Row row) {
    scheduler.remove(row.sequence);
    rows.remove(row.sequence);
    rowsByKey.remove(row.key);
  }

  /** The cache's contents are unknown after a failed step, so what runs cannot go on. */
  private void failRunning(Throwable cause) {
    RuntimeFailure failure = RuntimeFailure.unexpected(config.name() + ": a step failed", cause);
    if (failure.kind() == Kind.FATAL) {
      throw failure;
    }
    List<Sequence> running = scheduler.dropRunning();
    LOG.warn("engine {}: a step failed, {} rows with it", config.name(), running.size(), cause);
    for (Sequence sequence : running) {
      fail(rows.get(sequence), failure);
    }
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
