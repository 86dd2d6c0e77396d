package io.sailfish.llama.engine;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/**
 * A model without maths: a slot of its "KV cache" holds the token written there, a row reads all
 * slots of its prefix through its block table, and its logits are a hash of what it read. So an
 * answer is right only if every block held what it should when it was read.
 */
final class FakeModel implements StepExecutor {
  static final int VOCABULARY = 61;
  private static final int NOTHING = -1;

  private final int blockTokens;
  private final int[] slots;
  int steps;
  int largestStep;
  int mostParts;
  long rows;
  boolean closed;

  /** Throws this at the next step, once, or after so many steps. */
  volatile RuntimeException failNext;

  int stepsToFailure;

  /** Steps wait for it. */
  volatile CountDownLatch gate = new CountDownLatch(0);

  /** See {@link #logits(int[], int, int)}. */
  int surprise = 1;

  /** A row whose newest token is this has NaN logits. */
  int poison = NOTHING;

  float largestActivation = Float.MAX_VALUE;
  int mostWeighed = Integer.MAX_VALUE;

  FakeModel(int numBlocks, int blockTokens) {
    this.blockTokens = blockTokens;
    this.slots = new int[numBlocks * blockTokens];
    Arrays.fill(slots, NOTHING);
  }

  /** Logits after these tokens, straight from the definition. */
  static float[] logits(int[] tokens, int length) {
    return logits(tokens, length, 1);
  }

  /**
   * The same where the model mostly goes round in circles: 10, 11 .. 15, 10.
   *
   * @param surprise one token in so many does not; 0 = none, 1 = all
   */
  static float[] logits(int[] tokens, int length, int surprise) {
    long hash = 17;
    for (int i = 0; i < length; i++) {
      hash = fold(hash, tokens[i]);
    }
    return logits(hash, tokens[length - 1], surprise);
  }

  private static float[] logits(long hash, int newest, int surprise) {
    float[] logits = logits(hash);
    if (surprise == 0 || (hash >>> 20) % surprise != 0) {
      logits[10 + (newest + 3) % 6] += 9;
    }
    return logits;
  }

  @Override
  public float largestActivation() {
    return largestActivation;
  }

  @Override
  public int vocabulary() {
    return VOCABULARY;
  }

  @Override
  public int mostWeighed() {
    return mostWeighed;
  }

  @Override
  public Logits execute(BatchPlan plan) {
    try {
      gate.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    RuntimeException failure = failNext;
    if (failure != null && stepsToFailure-- <= 0) {
      failNext = null;
      throw failure;
    }
    steps++;
    rows += plan.rows();
    largestStep = Math.max(largestStep, plan.rows());
    mostParts = Math.max(mostParts, plan.parts().size());
    copyBlocks(plan.blockCopies());
    write(plan);
    float[][] outputs = new float[plan.logitRows().length][];
    for (int i = 0; i < outputs.length; i++) {
      outputs[i] = read(plan, plan.logitRows()[i]);
    }
    return (index, dst) -> System.arraycopy(outputs[index], 0, dst, 0, VOCABULARY);
  }

  @Override
  public void close() {
    closed = true;
  }

  private void copyBlocks(int[] pairs) {
    for (int i = 0; i < pairs.length; i += 2) {
      System.arraycopy(
          slots, pairs[i] * blockTokens, slots, pairs[i + 1] * blockTokens, blockTokens);
    }
  }

  private void write(BatchPlan plan) {
    Set<Integer> written = new HashSet<>();
    for (int row = 0; row < plan.rows(); row++) {
      if (plan.slots()[row] == NOTHING) {
        continue; // padding
      }
      if (!written.add(plan.slots()[row])) {
        throw new AssertionError("two rows of a step write slot " + plan.slots()[row]);
      }
      slots[plan.slots()[row]] = plan.tokenIds()[row];
    }
  }

  /** The tokens that a row sees, as they are in the cache. */
  int[] seen(BatchPlan plan, int row) {
    int sequence = plan.rowSequences()[row];
    int[] seen = new int[plan.positions()[row] + 1];
    for (int position = 0; position < seen.length; position++) {
      int block = plan.blockTables()[sequence * plan.blockTableStride() + position / blockTokens];
      seen[position] = slots[block * blockTokens + position % blockTokens];
    }
    return seen;
  }

  private float[] read(BatchPlan plan, int row) {
    int sequence = plan.rowSequences()[row];
    if (row < plan.queryStarts()[sequence] || row >= plan.queryStarts()[sequence + 1]) {
      throw new AssertionError("row " + row + " is not in its sequence's range");
    }
    long hash = 17;
    int token = NOTHING;
    for (int seen : seen(plan, row)) {
      token = seen;
      hash = fold(hash, token);
    }
    float[] logits = logits(hash, token, surprise);
    if (token == poison) {
      logits[3] = Float.NaN;
    }
    return logits;
  }

  private static long fold(long hash, int token) {
    long h = (hash ^ (token + 7)) * 0x9E3779B97F4A7C15L;
    return h ^ h >>> 29;
  }

  private static float[] logits(long hash) {
    float[] logits = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      logits[i] = (fold(hash, i) >>> 40) / (float) (1 << 22);
    }
    return logits;
  }
}
