package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.choice.TokenChooser;
import java.util.Set;

/**
 * A {@link FakeModel} as a device that is a step ahead of the host: it chooses tokens, which stay
 * with it until the next step takes them; a row whose answer has ended is padding then. It bears no
 * third step before the first has been looked at.
 */
final class AheadModel implements StepExecutor {
  private final FakeModel model;

  private final Set<Integer> ends;
  private final TokenChooser chooser = new TokenChooser(FakeModel.VOCABULARY);

  /** Tokens of the step before; the logit row i's is at {@code chosen.length - 1 - i}. */
  private int[] chosen = new int[0];

  private Outputs last;
  private Outputs lastButOne;

  /** Tokens that were taken before the host knew them. */
  int takenAhead;

  /** Tokens and scores that the host has looked at. */
  int tokensRead;

  int scoresRead;

  AheadModel(FakeModel model, Set<Integer> ends) {
    this.model = model;
    this.ends = ends;
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public boolean separatesPrompts() {
    return true;
  }

  @Override
  public boolean runsAhead() {
    return true;
  }

  @Override
  public Logits execute(BatchPlan plan) {
    if (lastButOne != null && !lastButOne.awaited) {
      throw new AssertionError("three steps under way");
    }
    int[] tokens = plan.tokenIds().clone();
    int[] positions = plan.positions().clone();
    int[] slots = plan.slots().clone();
    for (int row = 0; row < tokens.length; row++) {
      int source = plan.sources()[row];
      if (source >= 0 == (tokens[row] != Sequence.UNKNOWN)) {
        throw new AssertionError("row %d: token %d, source %d".formatted(row, tokens[row], source));
      }
      if (source >= 0) {
        tokens[row] = Math.max(0, chosen[source]);
        takenAhead++;
        if (ends.contains(chosen[source])) {
          tokens[row] = 0;
          positions[row] = slots[row] = -1;
        }
      }
    }
    Outputs outputs = outputs(withRows(plan, tokens, positions, slots));
    chosen = outputs.tokens;
    lastButOne = last;
    last = outputs;
    return outputs;
  }

  private Outputs outputs(BatchPlan plan) {
    try {
      return new Outputs(model.execute(plan), plan);
    } catch (RuntimeException e) {
      last = null; // the engine gives up what is under way
      throw e;
    }
  }

  private static BatchPlan withRows(BatchPlan p, int[] tokens, int[] positions, int[] slots) {
    return new BatchPlan(
        tokens,
        p.sources(),
        positions,
        slots,
        p.rowSequences(),
        p.queryStarts(),
        p.blockTables(),
        p.blockTableStride(),
        p.logitRows(),
        p.blockCopies(),
        p.parts());
  }

  @Override
  public void close() {
    model.close();
  }

  private final class Outputs implements Logits {
    private final int[] tokens;
    private final double[] logProbs;
    private boolean awaited;

    Outputs(Logits logits, BatchPlan plan) {
      int rows = plan.logitRows().length;
      this.tokens = new int[rows];
      this.logProbs = new double[plan.scored()];
      TokenChoice[] choices = plan.choices();
      float[] scratch = new float[vocabulary()];
      for (int i = 0; i < rows; i++) {
        logits.read(i, scratch);
        int[] seen = model.seen(plan, plan.logitRows()[i]);
        boolean padding = seen.length == 0;
        tokens[source(i)] =
            padding ? 0 : chooser.choose(scratch, choices[i], seen, seen.length, null);
      }
      int scored = 0;
      for (BatchPlan.Part part : plan.parts()) {
        for (int i = 0; i < part.scored(); i++) {
          logits.read(part.scoredRow(i), scratch);
          logProbs[scored++] = scratch[part.scoredToken(i)] - LogProbs.logSumExp(scratch);
        }
      }
    }

    @Override
    public void await() {
      awaited = true;
    }

    @Override
    public int source(int index) {
      return tokens.length - 1 - index;
    }

    @Override
    public boolean hasToken(int index) {
      return true;
    }

    @Override
    public int token(int index) {
      if (!awaited) {
        throw new AssertionError("looked at before it was there");
      }
      tokensRead++;
      return tokens[source(index)];
    }

    @Override
    public boolean hasLogProbs() {
      return true;
    }

    @Override
    public double logProb(int index) {
      if (!awaited) {
        throw new AssertionError("looked at before it was there");
      }
      scoresRead++;
      return logProbs[index];
    }

    @Override
    public void read(int index, float[] dst) {
      throw new AssertionError("logits of a device that chooses and scores itself");
    }
  }
}
