package io.sailfish.llama.engine;

import io.sailfish.arrow.IntBlock;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BufferSource;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.llama.model.LlamaModel;
import java.util.Arrays;

/**
 * A step's inputs in backend memory, allocated once for the largest step. The integers of a pass
 * lie side by side there, so that one copy brings them.
 */
final class StepBuffers implements AutoCloseable {
  private static final int PADDING = -1;

  /** Rows of integers begin at multiples of so many. */
  private static final int ALIGNED = 32;

  /** Integers of each row of a pass: token, source, position, slot, sequence, logit row. */
  private static final int PASS_INPUTS = 6;

  private final Backend backend;
  private final IntTensor tokenIds;
  private final IntTensor sources;
  private final IntTensor positions;
  private final IntTensor slots;
  private final IntTensor rowSequences;
  private final IntTensor queryStarts;
  private final IntTensor blockTables;
  private final IntTensor logitRows;
  private final IntTensor choices;

  /** What is in {@link #choices}: rows of a batch are chosen alike step after step. */
  private int[] written = {};

  /** All of a pass {@code [PASS_INPUTS, rows]}; null where a step does not run in passes. */
  private final IntTensor pass;

  /** Null where a step does not run in passes. */
  private final StepTransfers transfers;

  /**
   * @param sizes of the largest step
   * @param stride entries of the longest block table
   * @param tokens most tokens that a step leaves on the device
   */
  StepBuffers(Backend backend, LlamaModel.Sizes sizes, int stride, int tokens) {
    this.backend = backend;
    // Every part of a step is a running sequence or a continuation with a logit row of its own.
    int parts = sizes.logitRows();
    int rows = sizes.rows();
    int tableEntries = Math.multiplyExact(parts, stride);
    int mostChosen = backend.separatesPrompts() ? Math.max(parts, sizes.decodeRows()) : 0;
    this.choices = backend.ints(mostChosen * TokenChoice.PACKED, "how tokens are chosen");
    this.queryStarts = backend.ints(parts + 1, "first row of each sequence");
    this.blockTables = backend.ints(tableEntries, "block tables");
    BufferSource source = backend.transferMemory().orElse(null);
    if (source == null) {
      this.pass = null;
      this.transfers = null;
      this.tokenIds = backend.ints(rows, "token ids");
      this.sources = null;
      this.positions = backend.ints(rows, "positions");
      this.slots = backend.ints(rows, "KV slots");
      this.rowSequences = backend.ints(rows, "sequence of each row");
      this.logitRows = backend.ints(parts, "rows that need logits");
      return;
    }
    int pitch = (rows + ALIGNED - 1) / ALIGNED * ALIGNED;
    this.pass = backend.ints(Math.multiplyExact(PASS_INPUTS, pitch), "inputs of a pass");
    this.tokenIds = backend.part(pass, 0, rows);
    this.sources = backend.part(pass, pitch, rows);
    this.positions = backend.part(pass, 2 * pitch, rows);
    this.slots = backend.part(pass, 3 * pitch, rows);
    this.rowSequences = backend.part(pass, 4 * pitch, rows);
    this.logitRows = backend.part(pass, 5 * pitch, rows);
    // One pass of a step is filled up with padding.
    int sent = tableEntries + Math.multiplyExact(PASS_INPUTS, rows + sizes.decodeRows());
    sent += StepScores.ASKED * StepScores.ROUND;
    int scores = StepScores.TERM * StepScores.ROUND;
    this.transfers = new StepTransfers(backend, source, sent, tokens, scores);
  }

  /** The whole plan. */
  StepInputs upload(BatchPlan plan) {
    write(tokenIds, plan.tokenIds());
    write(positions, plan.positions());
    write(slots, plan.slots());
    write(rowSequences, plan.rowSequences());
    write(queryStarts, plan.queryStarts());
    write(logitRows, plan.logitRows());
    write(blockTables, plan.blockTables());
    return inputs(plan.blockTableStride());
  }

  /**
   * Begins a step in passes: its block tables, each widened to {@code stride} entries. The other
   * inputs follow with {@link #upload(BatchPlan, StepPass, int)}.
   */
  StepInputs tables(BatchPlan plan, int stride) {
    int parts = plan.parts().size();
    int entries = Math.multiplyExact(parts, stride);
    transfers.begin();
    int place = transfers.reserve(entries);
    IntBlock block = transfers.block();
    int own = plan.blockTableStride();
    for (int part = 0; part < parts; part++) {
      for (int i = 0; i < stride; i++) {
        block.set(place + part * stride + i, i < own ? plan.blockTables()[part * own + i] : 0);
      }
    }
    transfers.send(blockTables, place, 1, entries);
    return inputs(stride);
  }

  private StepInputs inputs(int stride) {
    return new StepInputs(
        tokenIds, positions, slots, rowSequences, queryStarts, blockTables, stride, logitRows);
  }

  /** Of each row of a pass: where its token is to be found, -1 where it is known. */
  IntTensor sources() {
    return sources;
  }

  /** The rows of one pass, filled up with padding to {@code count} of them. */
  void upload(BatchPlan plan, StepPass step, int count) {
    int place = transfers.reserve(PASS_INPUTS * count);
    gather(place, plan.tokenIds(), step.rows(), count, 0);
    gather(place + count, plan.sources(), step.rows(), count, PADDING);
    gather(place + 2 * count, plan.positions(), step.rows(), count, PADDING);
    gather(place + 3 * count, plan.slots(), step.rows(), count, PADDING);
    gather(place + 4 * count, plan.rowSequences(), step.rows(), count, 0);
    IntBlock block = transfers.block();
    int[] wanted = step.logitPlaces();
    for (int i = 0; i < count; i++) {
      block.set(place + 5 * count + i, i < wanted.length ? wanted[i] : 0);
    }
    transfers.send(pass, place, PASS_INPUTS, count);
  }

  /**
   * How the tokens of a pass are chosen, {@code [count, TokenChoice.PACKED]}; null when all are
   * greedy.
   */
  IntTensor choices(BatchPlan plan, StepPass step, int count) {
    TokenChoice[] ofLogits = plan.choices();
    int[] packed = new int[count * TokenChoice.PACKED];
    boolean plain = true;
    for (int i = 0; i < step.logits().length; i++) {
      TokenChoice choice = ofLogits[step.logits()[i]];
      int place = step.kind() == StepPass.Kind.PROMPT ? i : step.logitPlaces()[i];
      choice.pack(-1, packed, place * TokenChoice.PACKED);
      plain &= choice.plain();
    }
    if (plain) {
      return null;
    }
    if (written.length < packed.length
        || !Arrays.equals(written, 0, packed.length, packed, 0, packed.length)) {
      write(choices, packed);
      written = packed;
    }
    return choices;
  }

  private void gather(int place, int[] values, int[] rows, int count, int padding) {
    IntBlock block = transfers.block();
    for (int i = 0; i < count; i++) {
      block.set(place + i, i < rows.length ? values[rows[i]] : padding);
    }
  }

  /** Queues the way back of the step's tokens. */
  StepTransfers.Tokens fetch(IntTensor chosen, int count) {
    return transfers.fetch(chosen, count);
  }

  /** Null where a step does not run in passes. */
  StepTransfers transfers() {
    return transfers;
  }

  /** What devices copy; nothing where a step does not run in passes. */
  StepTransfers.Counts transferCounts() {
    return transfers == null ? new StepTransfers.Counts(0, 0, 0, 0) : transfers.counts();
  }

  @Override
  public void close() {
    if (transfers != null) {
      transfers.close();
    }
  }

  private void write(IntTensor dst, int[] values) {
    backend.write(dst, values, values.length);
  }
}
