package io.sailfish.llama.model;

import io.sailfish.kernels.DerivedSource;
import io.sailfish.kernels.WeightSource;
import java.nio.ByteBuffer;

/**
 * Key or value heads of a layer that has fewer of them than others, each several times one behind
 * the other, so that all layers share one shape of cache. Every query still meets the same head, so
 * no result changes; the layer's cache is as large as the others'.
 */
record HeadCopies(WeightSource source, int headDim, int copies) implements DerivedSource {

  static WeightSource of(WeightSource source, int headDim, int copies) {
    return copies == 1 ? source : new HeadCopies(source, headDim, copies);
  }

  /** The same for a bias. */
  static float[] of(float[] bias, int headDim, int copies) {
    float[] all = new float[bias.length * copies];
    for (int i = 0; i < all.length; i++) {
      all[i] = bias[original(i, headDim, copies)];
    }
    return all;
  }

  private static int original(int row, int headDim, int copies) {
    return row / headDim / copies * headDim + row % headDim;
  }

  @Override
  public int rows() {
    return source.rows() * copies;
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    int row = firstRow;
    while (row < firstRow + numRows) {
      int count = Math.min(firstRow + numRows - row, headDim - row % headDim);
      source.readRows(original(row, headDim, copies), count, dst);
      row += count;
    }
  }
}
