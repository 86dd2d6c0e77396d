package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Collects the rows of one step. */
final class BatchPlanBuilder {
  private final int blockTokens;
  private final Ints tokenIds = new Ints();
  private final Ints sources = new Ints();
  private final Ints positions = new Ints();
  private final Ints slots = new Ints();
  private final Ints rowSequences = new Ints();
  private final Ints queryStarts = new Ints();
  private final Ints logitRows = new Ints();
  private final Ints blockCopies = new Ints();
  private final List<int[]> blockTables = new ArrayList<>();
  private final List<BatchPlan.Part> parts = new ArrayList<>();

  BatchPlanBuilder(int blockTokens) {
    this.blockTokens = blockTokens;
  }

  int rows() {
    return tokenIds.size;
  }

  /** The next {@code rows} tokens of a sequence; logits of the last one if it is the newest. */
  void add(Sequence sequence, int rows) {
    int first = sequence.computed();
    int firstLogit = logitRows.size;
    int[] blocks = blockTable(sequence, first + rows);
    for (int position = first; position < first + rows; position++) {
      int token = sequence.token(position);
      addRow(token, token == Sequence.UNKNOWN ? sequence.source() : -1, position, blocks);
    }
    boolean last = first + rows == sequence.length();
    if (last) {
      logitRows.add(tokenIds.size - 1);
    }
    addPart(new BatchPlan.Part(sequence, rows, firstLogit, last ? 1 : 0, -1, 0), blocks);
  }

  /** The newest token of a sequence and a draft of those after it, with the logits of all. */
  void addDrafted(Sequence sequence, int[] draft) {
    int first = sequence.computed();
    int firstLogit = logitRows.size;
    int rows = 1 + draft.length;
    int[] blocks = blockTable(sequence, first + rows);
    for (int i = 0; i < rows; i++) {
      addRow(i == 0 ? sequence.token(first) : draft[i - 1], -1, first + i, blocks);
      logitRows.add(tokenIds.size - 1);
    }
    addPart(new BatchPlan.Part(sequence, rows, firstLogit, rows, -1, 0), blocks);
  }

  /**
   * Tokens {@code [offset, offset + rows)} of continuation {@code index}, with the logits of all of
   * them.
   *
   * @param blocks where the prompt is and the continuation goes
   */
  void addContinuation(Sequence sequence, int index, int offset, int rows, int[] blocks) {
    int[] continuation = sequence.continuations().get(index);
    int firstLogit = logitRows.size;
    for (int i = offset; i < offset + rows; i++) {
      addRow(continuation[i], -1, sequence.length() + i, blocks);
      logitRows.add(tokenIds.size - 1);
    }
    addPart(new BatchPlan.Part(sequence, rows, firstLogit, rows, index, offset), blocks);
  }

  void copyBlock(int from, int to) {
    blockCopies.add(from);
    blockCopies.add(to);
  }

  /** The blocks that hold the first {@code tokens} tokens of a sequence. */
  int[] blockTable(Sequence sequence, int tokens) {
    int[] blocks = new int[(tokens + blockTokens - 1) / blockTokens];
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = sequence.block(i);
    }
    return blocks;
  }

  BatchPlan build() {
    int stride = 1;
    for (int[] blocks : blockTables) {
      stride = Math.max(stride, blocks.length);
    }
    int[] tables = new int[Math.multiplyExact(parts.size(), stride)];
    for (int i = 0; i < parts.size(); i++) {
      int[] blocks = blockTables.get(i);
      System.arraycopy(blocks, 0, tables, i * stride, blocks.length);
    }
    queryStarts.add(tokenIds.size);
    return new BatchPlan(
        tokenIds.toArray(),
        sources.toArray(),
        positions.toArray(),
        slots.toArray(),
        rowSequences.toArray(),
        queryStarts.toArray(),
        tables,
        stride,
        logitRows.toArray(),
        blockCopies.toArray(),
        List.copyOf(parts));
  }

  private void addRow(int token, int source, int position, int[] blocks) {
    tokenIds.add(token);
    sources.add(source);
    positions.add(position);
    slots.add(blocks[position / blockTokens] * blockTokens + position % blockTokens);
    rowSequences.add(parts.size());
  }

  private void addPart(BatchPlan.Part part, int[] blocks) {
    queryStarts.add(tokenIds.size - part.rows());
    blockTables.add(blocks);
    parts.add(part);
  }

  /** A growing int array. */
  private static final class Ints {
    private int[] values = new int[64];
    private int size;

    void add(int value) {
      if (size == values.length) {
        values = Arrays.copyOf(values, size * 2);
      }
      values[size++] = value;
    }

    int[] toArray() {
      return Arrays.copyOf(values, size);
    }
  }
}
