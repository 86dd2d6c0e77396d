package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.StepInputs;
import java.util.Arrays;

/**
 * Attention as two matrix products for each group of neighbouring rows of a sequence and each
 * key/value head: scores = Q · Kᵀ block by block, softmax over each row's own positions, then
 * weights · V in the order of the positions. A row's bits do not depend on its group: scores are
 * chains over the head's dimensions, results chains over positions 0..p, and nothing beyond p is
 * ever multiplied in.
 */
final class PagedAttention {
  /** Query rows (tokens times heads of a group) that share one pass over keys and values. */
  private static final int LEAST_ROWS = 12;

  /** The same where positions are few: a pass copies keys and values, which many rows share. */
  private static final int MOST_ROWS = 48;

  /** Scores of such rows, 256 KiB: they should stay in the second-level cache. */
  private static final int SCORES = 1 << 16;

  private final PanelMath math;
  private final Parallel parallel;
  private final Scratch[] scratch;
  private int[] groupStarts = new int[1];

  private static final class Scratch {
    final PanelMath.Block x = new PanelMath.Block();
    final PanelMath.Block w = new PanelMath.Block();
    final PanelMath.Block out = new PanelMath.Block();
    float[] queries = new float[0];
    float[] scores = new float[0];
    float[] result = new float[0];
    float[] sums = new float[0];
    float[] staged = new float[0];
  }

  /** One call's arguments. */
  private record Call(
      float[] y,
      float[] qkv,
      CpuKvCache cache,
      int layer,
      int[] positions,
      int[] sequences,
      int[] tables,
      int tableStride,
      int window) {}

  PagedAttention(PanelMath math, Parallel parallel) {
    this.math = math;
    this.parallel = parallel;
    this.scratch = new Scratch[parallel.threads()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new Scratch();
    }
  }

  /**
   * @param window positions that a row sees, its own the last
   */
  void run(
      float[] y, float[] qkv, CpuKvCache cache, int layer, StepInputs step, int window, int rows) {
    Call call =
        new Call(
            y,
            qkv,
            cache,
            layer,
            ((CpuInts) step.positions()).data,
            ((CpuInts) step.rowSequences()).data,
            ((CpuInts) step.blockTables()).data,
            step.blockTableStride(),
            window);
    int kvHeads = cache.shape.kvHeads();
    int groups = group(call, rows);
    parallel.run(
        groups * kvHeads,
        (item, worker) -> {
          int group = item / kvHeads;
          attend(call, groupStarts[group], groupStarts[group + 1], item % kvHeads, scratch[worker]);
        });
  }

  /** Splits the rows into runs of one sequence with ascending positions, a few rows each. */
  private int group(Call call, int rows) {
    int perKvHead = call.cache.shape.heads() / call.cache.shape.kvHeads();
    if (groupStarts.length < rows + 1) {
      groupStarts = new int[rows + 1];
    }
    int groups = 0;
    int start = 0;
    for (int r = 1; r <= rows; r++) {
      boolean ends =
          r == rows
              || r - start == most(call.positions[start], perKvHead)
              || call.sequences[r] != call.sequences[start]
              || call.positions[r] <= call.positions[r - 1];
      if (ends) {
        groupStarts[groups++] = start;
        groupStarts[groups] = r;
        start = r;
      }
    }
    return groups;
  }

  /** Rows of a group that starts at a position. */
  private static int most(int position, int perKvHead) {
    int queries = Math.max(LEAST_ROWS, Math.min(MOST_ROWS, SCORES / (position + 1)));
    return Math.max(1, queries / perKvHead);
  }

  private void attend(Call call, int firstRow, int endRow, int kvHead, Scratch own) {
    CpuKvCache cache = call.cache;
    AttentionShape shape = cache.shape;
    int perKvHead = shape.heads() / shape.kvHeads();
    int queries = (endRow - firstRow) * perKvHead;
    int blocks = call.positions[endRow - 1] / cache.blockTokens() + 1;
    int scoreStride = blocks * cache.paddedTokens + PanelMath.PARTIAL_SUMS;
    own.queries = sized(own.queries, queries * shape.headDim());
    own.scores = sized(own.scores, queries * scoreStride);
    own.result = sized(own.result, queries * cache.paddedDim);
    own.sums = sized(own.sums, queries);
    own.staged = sized(own.staged, Math.max(cache.keyFloats, cache.valueFloats));
    loadQueries(call, firstRow, endRow, kvHead, own);
    score(call, firstRow, kvHead, queries, blocks, own);
    for (int q = 0; q < queries; q++) {
      int tokens = call.positions[firstRow + q / perKvHead] + 1;
      int first = Math.max(0, tokens - call.window);
      int at = q * scoreStride;
      own.sums[q] = math.softmaxNumerators(own.scores, at + first, tokens - first);
      Arrays.fill(own.scores, at, at + first, 0); // adds nothing to a result, and changes no bit
    }
    mix(call, firstRow, endRow, kvHead, own);
    for (int q = 0; q < queries; q++) {
      int head = kvHead * perKvHead + q % perKvHead;
      int to = (firstRow + q / perKvHead) * shape.qCols() + head * shape.headDim();
      for (int d = 0; d < shape.headDim(); d++) {
        call.y[to + d] = own.result[q * cache.paddedDim + d] / own.sums[q];
      }
    }
  }

  /** Copies the group's query heads side by side, times 1/sqrt(headDim). */
  private static void loadQueries(Call call, int firstRow, int endRow, int kvHead, Scratch own) {
    AttentionShape shape = call.cache.shape;
    int perKvHead = shape.heads() / shape.kvHeads();
    int run = perKvHead * shape.headDim();
    float scale = (float) (1 / Math.sqrt(shape.headDim()));
    for (int r = firstRow; r < endRow; r++) {
      int from = r * shape.qkvCols() + kvHead * run;
      int to = (r - firstRow) * run;
      for (int i = 0; i < run; i++) {
        own.queries[to + i] = call.qkv[from + i] * scale;
      }
    }
  }

  /** scores[q, position] for all positions of the group's blocks; those beyond a row are noise. */
  private void score(Call call, int firstRow, int kvHead, int queries, int blocks, Scratch own) {
    CpuKvCache cache = call.cache;
    int dim = cache.shape.headDim();
    int stride = blocks * cache.paddedTokens + PanelMath.PARTIAL_SUMS;
    int table = call.sequences[firstRow] * call.tableStride;
    Arrays.fill(own.scores, 0, queries * stride, 0);
    own.x.on(own.queries, 0, dim);
    own.w.on(own.staged, 0, cache.paddedTokens);
    for (int b = 0; b < blocks; b++) {
      int block = call.tables[table + b];
      cache
          .chunk(call.layer, block)
          .get(cache.headOffset(block, kvHead), own.staged, 0, cache.keyFloats);
      int start = b * cache.blockTokens();
      own.out.on(own.scores, start, stride);
      math.multiply(own.out, own.x, own.w, queries, cache.paddedTokens, dim);
      int padding = cache.paddedTokens - cache.blockTokens();
      for (int q = 0; padding > 0 && q < queries; q++) {
        // What the padding left lies where the next block's chains begin.
        int from = q * stride + start + cache.blockTokens();
        Arrays.fill(own.scores, from, from + padding, 0);
      }
    }
  }

  /** result[q, :] = sum over positions 0..p of weight · value, in ascending order. */
  private void mix(Call call, int firstRow, int endRow, int kvHead, Scratch own) {
    CpuKvCache cache = call.cache;
    int perKvHead = cache.shape.heads() / cache.shape.kvHeads();
    int queries = (endRow - firstRow) * perKvHead;
    int last = call.positions[endRow - 1];
    int blocks = last / cache.blockTokens() + 1;
    int stride = blocks * cache.paddedTokens + PanelMath.PARTIAL_SUMS;
    int shared = call.positions[firstRow] + 1;
    int table = call.sequences[firstRow] * call.tableStride;
    Arrays.fill(own.result, 0, queries * cache.paddedDim, 0);
    for (int b = 0; b < blocks; b++) {
      int block = call.tables[table + b];
      int start = b * cache.blockTokens();
      int at = cache.headOffset(block, kvHead) + cache.keyFloats;
      int count = Math.min(cache.blockTokens(), last + 1 - start);
      cache.chunk(call.layer, block).get(at, own.staged, 0, count * cache.paddedDim);
      int common = Math.max(0, Math.min(count, shared - start));
      if (common > 0) {
        product(own, 0, queries, start, 0, common, stride, cache.paddedDim);
      }
      for (int r = firstRow; r < endRow; r++) {
        int reach = Math.min(count, call.positions[r] + 1 - start);
        if (reach > common) {
          int q = (r - firstRow) * perKvHead;
          product(own, q, perKvHead, start, common, reach, stride, cache.paddedDim);
        }
      }
    }
  }

  /** Tokens {@code [from, to)} of the staged block into {@code count} results. */
  private void product(
      Scratch own, int query, int count, int start, int from, int to, int stride, int paddedDim) {
    own.x.on(own.scores, query * stride + start + from, stride);
    own.w.on(own.staged, from * paddedDim, paddedDim);
    own.out.on(own.result, query * paddedDim, paddedDim);
    math.multiply(own.out, own.x, own.w, count, paddedDim, to - from);
  }

  private static float[] sized(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }
}
