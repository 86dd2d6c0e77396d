package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.Tensor;

/** Where each of a step's logit rows and chosen tokens is after several passes. */
final class PassLogits implements StepExecutor.Logits {
  private final Backend backend;
  private final int vocabulary;
  private final Tensor[] tensors;
  private final int[] places;

  /** Place of each logit row's token among those of the step. */
  private final int[] choices;

  private int chosen;
  private StepTransfers.Tokens tokens;
  private StepScores.Scores scores;

  PassLogits(Backend backend, int vocabulary, BatchPlan plan) {
    int rows = plan.logitRows().length;
    this.backend = backend;
    this.vocabulary = vocabulary;
    tensors = new Tensor[rows];
    places = new int[rows];
    choices = new int[rows];
  }

  /** Tokens that the passes so far have left. */
  int chosen() {
    return chosen;
  }

  /** The pass left one row of logits and one token for each that was wanted. */
  void inOrder(StepPass pass, Tensor logits) {
    for (int i = 0; i < pass.logits().length; i++) {
      place(pass.logits()[i], logits, i);
    }
    chosen += pass.logits().length;
  }

  /** The pass left logits and tokens for each of {@code rows} rows. */
  void byPlace(StepPass pass, Tensor logits, int rows) {
    for (int i = 0; i < pass.logits().length; i++) {
      place(pass.logits()[i], logits, pass.logitPlaces()[i]);
    }
    chosen += rows;
  }

  private void place(int row, Tensor logits, int place) {
    tensors[row] = logits;
    places[row] = place;
    choices[row] = chosen + place;
  }

  /** The step's tokens on their way back. */
  void fetched(StepTransfers.Tokens onTheirWay) {
    tokens = onTheirWay;
  }

  /** What the step scores, which comes ahead of its tokens. */
  void scored(StepScores.Scores onTheirWay) {
    scores = onTheirWay;
  }

  @Override
  public void await() {
    tokens.await();
  }

  @Override
  public int source(int index) {
    return choices[index];
  }

  @Override
  public boolean hasToken(int index) {
    return true;
  }

  @Override
  public int token(int index) {
    await();
    int id = tokens.get(choices[index]);
    return id < 0 ? id : id & ~ChoiceInputs.ENDS;
  }

  @Override
  public boolean hasLogProbs() {
    return true;
  }

  @Override
  public double logProb(int index) {
    await();
    return scores.get(index);
  }

  /**
   * What a token was chosen from, for those who compare models: an engine takes the token. Of rows
   * that decode those of the last pass of such rows are there.
   */
  @Override
  public void read(int index, float[] dst) {
    backend.read(tensors[index], (long) places[index] * vocabulary, dst, 0, vocabulary);
  }
}
