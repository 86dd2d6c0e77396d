package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import java.util.IdentityHashMap;
import java.util.Map;

/** Where each of a step's logit rows is after several passes. */
final class PassLogits implements StepExecutor.Logits {
  private final Backend backend;
  private final int vocabulary;
  private final Tensor[] tensors;
  private final int[] places;

  /** Greedy tokens of all rows of a tensor, fetched when the first is asked for. */
  private final Map<Tensor, int[]> choices = new IdentityHashMap<>();

  /** Rows that had to be read before their place was taken; null elsewhere. */
  private final float[][] kept;

  PassLogits(Backend backend, int vocabulary, int rows) {
    this.backend = backend;
    this.vocabulary = vocabulary;
    tensors = new Tensor[rows];
    places = new int[rows];
    kept = new float[rows][];
  }

  /** The pass left one row of logits for each that was wanted. */
  void inOrder(StepPass pass, Tensor logits) {
    for (int i = 0; i < pass.logits().length; i++) {
      tensors[pass.logits()[i]] = logits;
      places[pass.logits()[i]] = i;
    }
  }

  /** The pass left logits for every row. */
  void byPlace(StepPass pass, Tensor logits) {
    for (int i = 0; i < pass.logits().length; i++) {
      tensors[pass.logits()[i]] = logits;
      places[pass.logits()[i]] = pass.logitPlaces()[i];
    }
  }

  /** Reads what is in {@code logits}, which the next pass overwrites. */
  void keep(Tensor logits) {
    for (int i = 0; i < tensors.length; i++) {
      if (tensors[i] == logits && kept[i] == null) {
        float[] row = new float[vocabulary];
        read(i, row);
        kept[i] = row;
      }
    }
  }

  @Override
  public int greedy(int index, float[] scratch) {
    if (kept[index] != null) {
      return StepExecutor.Logits.super.greedy(index, scratch);
    }
    int[] ids =
        choices.computeIfAbsent(
            tensors[index],
            tensor -> {
              int[] all = new int[rowsOf(tensor)];
              backend.argmax(tensor, all.length, all);
              return all;
            });
    return ids[places[index]];
  }

  /** Rows of {@code tensor} up to the last that somebody wants. */
  private int rowsOf(Tensor tensor) {
    int rows = 0;
    for (int i = 0; i < tensors.length; i++) {
      rows = tensors[i] == tensor && kept[i] == null ? Math.max(rows, places[i] + 1) : rows;
    }
    return rows;
  }

  @Override
  public void read(int index, float[] dst) {
    if (kept[index] != null) {
      System.arraycopy(kept[index], 0, dst, 0, vocabulary);
      return;
    }
    backend.read(tensors[index], (long) places[index] * vocabulary, dst, 0, vocabulary);
  }
}
