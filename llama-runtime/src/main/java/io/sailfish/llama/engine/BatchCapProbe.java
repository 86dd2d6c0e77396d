package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.function.IntToLongFunction;

/**
 * Measures at load how many rows a decode step should have: starting from {@link #LARGEST}, the
 * batch is halved as long as a row does not become more than {@link #LOSS} dearer. Decoding on a
 * card stays memory-bound up to large batches; on a CPU it becomes compute-bound early, and rows
 * beyond that only take KV memory. The cap decides how fast answers come, never what they are.
 *
 * <p>From the top, because a step that something else delayed then ends the search at a batch that
 * is too large, which costs memory; from below it would end at one that is too small, which costs
 * most of the throughput. The time is bounded, because in a fresh JVM the first steps are mostly
 * compilation: what could not be measured in time does not count, and the reason says so.
 */
final class BatchCapProbe {
  static final int LARGEST = 32;
  private static final double LOSS = 0.05;
  private static final int CONTEXT = 64;

  /** Steps of each size; the fastest counts. */
  private static final int RUNS = 2;

  /** After this no further step is begun. */
  private static final long BUDGET_NANOS = 400_000_000L;

  private final StepExecutor executor;
  private final EngineConfig config;

  /** The choice and one line of why. */
  record Result(int cap, String reason) {}

  /**
   * @param config what the executor was made for, with a batch cap of at least {@link #LARGEST}
   */
  BatchCapProbe(StepExecutor executor, EngineConfig config) {
    this.executor = executor;
    this.config = config;
  }

  /** Overwrites the KV cache's contents. */
  Result measure() {
    long deadline = System.nanoTime() + BUDGET_NANOS;
    return search(this::stepNanos, () -> System.nanoTime() > deadline);
  }

  /**
   * @param stepNanos time of one step of so many rows
   * @param late whether no further step may begin
   */
  static Result search(IntToLongFunction stepNanos, BooleanSupplier late) {
    List<String> seen = new ArrayList<>();
    double best = Double.POSITIVE_INFINITY;
    int cap = LARGEST;
    for (int rows = LARGEST; rows >= 1; rows /= 2) {
      double rowNanos = Double.POSITIVE_INFINITY;
      for (int i = 0; i < RUNS; i++) {
        if (late.getAsBoolean()) {
          return new Result(cap, unmeasured(seen));
        }
        rowNanos = Math.min(rowNanos, (double) stepNanos.applyAsLong(rows) / rows);
      }
      seen.add(String.format(Locale.ROOT, "%d: %.2f", rows, rowNanos / 1e6));
      if (rowNanos > best * (1 + LOSS)) {
        break;
      }
      best = Math.min(best, rowNanos);
      cap = rows;
    }
    return new Result(cap, "measured " + line(seen));
  }

  private static String unmeasured(List<String> seen) {
    return seen.isEmpty()
        ? "default, no time to measure a step"
        : "no time to measure more than " + line(seen);
  }

  private static String line(List<String> seen) {
    return "ms a row by batch {" + String.join(", ", seen) + "}";
  }

  /** One decode step of so many rows, its tokens fetched. Overwrites the KV cache's contents. */
  long stepNanos(int rows) {
    BatchPlan plan = decodeStep(rows);
    long start = System.nanoTime();
    executor.execute(plan).await();
    return System.nanoTime() - start;
  }

  /** One row each of sequences with {@link #CONTEXT} tokens; where blocks are few they share. */
  private BatchPlan decodeStep(int rows) {
    int context = Math.min(CONTEXT, config.contextTokens());
    int blockTokens = config.blockTokens();
    int blocksEach = (context + blockTokens - 1) / blockTokens;
    BlockPool unshared = new BlockPool(1, blockTokens, false);
    BatchPlanBuilder step = new BatchPlanBuilder(blockTokens);
    for (int row = 0; row < rows; row++) {
      Sequence sequence = new Sequence(new int[context - 1], List.of());
      sequence.append(0); // the row goes on by a token of its answer
      for (int i = 0; i < blocksEach; i++) {
        sequence.addBlock((row * blocksEach + i) % config.kvBlocks());
      }
      sequence.advance(context - 1, unshared);
      step.add(sequence, 1);
    }
    return step.build();
  }
}
