package io.sailfish.llama.engine;

import java.util.Map;

/**
 * Steps on their way: queues one and settles the one before, whose tokens the queued one takes
 * where they are. Owns the executor and the timeline. Confined to the engine's thread.
 */
final class StepPipeline implements AutoCloseable {
  private final StepExecutor executor;
  private final Scheduler scheduler;
  private final Speculation speculation;
  private final StepOutputs outputs;
  private final EngineCounters counters;
  private final Map<Sequence, Row> rows;

  /** Null unless one was asked for. */
  private final StepTimeline timeline;

  /** The step that was queued last, as long as its outputs have not been looked at. */
  private QueuedStep queued;

  private long settledNanos;

  /** When the last step's tokens were with their rows, or the first request came after none. */
  private long turnNanos;

  StepPipeline(
      StepExecutor executor,
      Scheduler scheduler,
      Speculation speculation,
      StepOutputs outputs,
      EngineCounters counters,
      Map<Sequence, Row> rows,
      StepTimeline timeline) {
    this.executor = executor;
    this.scheduler = scheduler;
    this.speculation = speculation;
    this.outputs = outputs;
    this.counters = counters;
    this.rows = rows;
    this.timeline = timeline;
  }

  /** Whether no step is under way. */
  boolean isEmpty() {
    return queued == null;
  }

  /** Says when the first request came after none. */
  void begin(long nanos) {
    turnNanos = nanos;
  }

  /** Forgets the step under way, which failed or whose rows did. */
  void drop() {
    queued = null;
  }

  /**
   * Queues a planned step, if it has rows, and settles the one before. Where an executor does not
   * run ahead, or the host has to say what came true of drafts, the step is settled as well.
   */
  void advance(BatchPlan plan) {
    QueuedStep next = plan.isEmpty() ? null : queue(plan);
    settle();
    queued = next;
    if (next != null && next.settleAtOnce()) {
      settle();
    }
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
        if (outputs.isLast(rows.get(sequence), sequence.length())) {
          sequence.seal();
        }
      }
    }
    return new QueuedStep(plan, output, decoding, start, hostDecides || !executor.runsAhead());
  }

  /** Waits for the queued step, if there is one, and hands its tokens to their rows. */
  void settle() {
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

  @Override
  public void close() {
    try {
      if (timeline != null) {
        timeline.close();
      }
    } finally {
      executor.close();
    }
  }
}
