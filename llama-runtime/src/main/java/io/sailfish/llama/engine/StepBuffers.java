package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.choice.TokenChoice;
import java.util.Arrays;

/** A step's inputs in backend memory, allocated once for the largest step. */
final class StepBuffers {
  private static final int PADDING = -1;

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

  /**
   * @param rows rows of the largest step
   * @param logits most logit rows
   * @param parts most parts of a step
   * @param tableEntries entries of all block tables together
   * @param chosen most rows that tokens are chosen for at once; 0 where the host does
   */
  StepBuffers(Backend backend, int rows, int logits, int parts, int tableEntries, int chosen) {
    this.backend = backend;
    this.choices = backend.ints(chosen * TokenChoice.PACKED, "how tokens are chosen");
    this.tokenIds = backend.ints(rows, "token ids");
    this.sources = backend.ints(rows, "where tokens come from");
    this.positions = backend.ints(rows, "positions");
    this.slots = backend.ints(rows, "KV slots");
    this.rowSequences = backend.ints(rows, "sequence of each row");
    this.queryStarts = backend.ints(parts + 1, "first row of each sequence");
    this.blockTables = backend.ints(tableEntries, "block tables");
    this.logitRows = backend.ints(logits, "rows that need logits");
  }

  /** The whole plan. */
  StepInputs upload(BatchPlan plan) {
    write(tokenIds, plan.tokenIds());
    write(positions, plan.positions());
    write(slots, plan.slots());
    write(rowSequences, plan.rowSequences());
    write(queryStarts, plan.queryStarts());
    write(logitRows, plan.logitRows());
    return tables(plan, plan.blockTableStride());
  }

  /**
   * The plan's block tables, each widened to {@code stride} entries; the step's other inputs follow
   * with {@link #upload(BatchPlan, StepPass, int)}.
   */
  StepInputs tables(BatchPlan plan, int stride) {
    int own = plan.blockTableStride();
    int[] tables = plan.blockTables();
    if (own != stride) {
      int parts = plan.parts().size();
      tables = new int[Math.multiplyExact(parts, stride)];
      for (int part = 0; part < parts; part++) {
        System.arraycopy(plan.blockTables(), part * own, tables, part * stride, own);
      }
    }
    write(blockTables, tables);
    return new StepInputs(
        tokenIds, positions, slots, rowSequences, queryStarts, blockTables, stride, logitRows);
  }

  /** Of each row of a pass: where its token is to be found, -1 where it is known. */
  IntTensor sources() {
    return sources;
  }

  /** The rows of one pass, filled up with padding to {@code count} of them. */
  void upload(BatchPlan plan, StepPass pass, int count) {
    write(tokenIds, pick(plan.tokenIds(), pass, count, 0));
    if (pass.kind() == StepPass.Kind.DECODE || pass.isDrafted()) {
      write(sources, pick(plan.sources(), pass, count, PADDING));
    }
    write(positions, pick(plan.positions(), pass, count, PADDING));
    write(slots, pick(plan.slots(), pass, count, PADDING));
    write(rowSequences, pick(plan.rowSequences(), pass, count, 0));
    write(logitRows, pass.logitPlaces());
  }

  /**
   * How the tokens of a pass are chosen, {@code [count, TokenChoice.PACKED]}; null when all are
   * greedy.
   */
  IntTensor choices(BatchPlan plan, StepPass pass, int count) {
    TokenChoice[] ofLogits = plan.choices();
    int[] packed = new int[count * TokenChoice.PACKED];
    boolean plain = true;
    for (int i = 0; i < pass.logits().length; i++) {
      TokenChoice choice = ofLogits[pass.logits()[i]];
      int place = pass.kind() == StepPass.Kind.PROMPT ? i : pass.logitPlaces()[i];
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

  private static int[] pick(int[] values, StepPass pass, int count, int padding) {
    int[] picked = new int[count];
    Arrays.fill(picked, padding);
    for (int i = 0; i < pass.rows().length; i++) {
      picked[i] = values[pass.rows()[i]];
    }
    return picked;
  }

  private void write(IntTensor dst, int[] values) {
    backend.write(dst, values, values.length);
  }
}
