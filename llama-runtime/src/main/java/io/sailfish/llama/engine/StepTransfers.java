package io.sailfish.llama.engine;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.IntBlock;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BufferSource;
import io.sailfish.kernels.IntTensor;

/**
 * The way of steps' integers to a device and of their tokens back: each step gathers what it sends
 * in a block of page-locked Arrow memory, from which the device copies it while the host goes on,
 * and has its tokens copied to another (docs/memory.md). A few steps take turns, so that nothing is
 * written over that is still to be copied or read. Engine's thread.
 */
final class StepTransfers implements AutoCloseable {
  /** One that is read, one that runs, one that is made. */
  private static final int STEPS = 3;

  /** Arrow hands out powers of two. */
  private static final int ROUNDING = 2;

  private final Backend backend;
  private final ArrowMemory memory;
  private final int mostTokens;
  private final Turn[] turns = new Turn[STEPS];
  private int turn;
  private Turn current;
  private long copiesIn;
  private long intsIn;
  private long copiesOut;
  private long intsOut;

  /** Copies that the device was asked for so far, and how many integers they moved. */
  record Counts(long copiesIn, long intsIn, long copiesOut, long intsOut) {}

  /** A step's blocks. */
  private final class Turn {
    final IntBlock sent = new IntBlock(memory.allocator());

    /** Tokens, and behind them what else comes back. */
    final IntBlock tokens = new IntBlock(memory.allocator());

    int used;

    /** What the device leaves in {@link #tokens}; null when nothing is under way. */
    Backend.ReadBack coming;
  }

  /** A step's tokens; readable until as many steps as take turns have begun. */
  final class Tokens {
    private final Turn from;

    private Tokens(Turn from) {
      this.from = from;
    }

    /** Waits for them, and so for all that was queued before. */
    void await() {
      if (from.coming != null) {
        from.coming.await();
        from.coming = null;
      }
    }

    int get(int index) {
      return from.tokens.get(index);
    }
  }

  /** What a step brings beside its tokens; as long readable as those. */
  final class Arrival {
    private final Turn from;
    private final Backend.ReadBack coming;

    private Arrival(Turn from, Backend.ReadBack coming) {
      this.from = from;
      this.coming = coming;
    }

    /** Waits for it. Who has waited for the step's tokens need not. */
    void await() {
      coming.await();
    }

    int get(int index) {
      return from.tokens.get(mostTokens + index);
    }
  }

  /**
   * @param source of page-locked memory
   * @param mostSent integers of the largest step
   * @param mostTokens tokens of the largest step
   * @param mostBrought other integers that a step brings
   */
  StepTransfers(
      Backend backend, BufferSource source, int mostSent, int mostTokens, int mostBrought) {
    this.backend = backend;
    this.mostTokens = mostTokens;
    long bytes = ((long) mostSent + mostTokens + mostBrought) * Integer.BYTES;
    memory = new ArrowMemory(Math.max(1 << 16, STEPS * ROUNDING * bytes), source);
    for (int i = 0; i < STEPS; i++) {
      turns[i] = new Turn();
      turns[i].sent.ensure(mostSent);
      turns[i].tokens.ensure(mostTokens + mostBrought);
    }
  }

  Counts counts() {
    return new Counts(copiesIn, intsIn, copiesOut, intsOut);
  }

  /** Begins a step. */
  void begin() {
    current = turns[turn];
    turn = (turn + 1) % STEPS;
    new Tokens(current).await(); // nobody may have come for them
    current.used = 0;
  }

  /**
   * Place of {@code count} further integers of this step among those of {@link #block}, which
   * refuses what is beyond the largest step.
   */
  int reserve(int count) {
    int place = current.used;
    current.used += count;
    return place;
  }

  IntBlock block() {
    return current.sent;
  }

  /** Queues one copy of {@code [rows, cols]} from a place on to the first columns of a matrix. */
  void send(IntTensor dst, int place, int rows, int cols) {
    backend.upload(dst, current.sent.address(place, rows * cols), rows, cols);
    copiesIn++;
    intsIn += (long) rows * cols;
  }

  /** Queues the way back of the first {@code count} tokens. */
  Tokens fetch(IntTensor tokens, int count) {
    current.coming = backend.readBack(tokens, count, current.tokens.address(0, count));
    copiesOut += count > 0 ? 1 : 0;
    intsOut += count;
    return new Tokens(current);
  }

  /** Queues the way back of the first {@code count} integers, ahead of the step's tokens. */
  Arrival bring(IntTensor src, int count) {
    long address = current.tokens.address(mostTokens, count);
    Arrival arrival = new Arrival(current, backend.readBack(src, count, address));
    copiesOut++;
    intsOut += count;
    return arrival;
  }

  @Override
  public void close() {
    for (Turn each : turns) {
      each.sent.close();
      each.tokens.close();
    }
    memory.close();
  }
}
