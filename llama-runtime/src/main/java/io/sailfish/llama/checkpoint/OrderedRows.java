package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.DerivedSource;
import io.sailfish.kernels.WeightSource;

/** Rows whose inputs have an order of their own ({@link WeightSource#inputOrder}). */
record OrderedRows(WeightSource source, int[] order) implements DerivedSource {
  @Override
  public int[] inputOrder() {
    return order.clone();
  }
}
