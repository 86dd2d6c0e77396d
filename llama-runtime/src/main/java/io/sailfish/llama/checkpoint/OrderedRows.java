package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/** Rows whose inputs have an order of their own ({@link WeightSource#inputOrder}). */
record OrderedRows(WeightSource source, int[] order) implements WeightSource {
  @Override
  public String name() {
    return source.name();
  }

  @Override
  public QuantFormat format() {
    return source.format();
  }

  @Override
  public int rows() {
    return source.rows();
  }

  @Override
  public int cols() {
    return source.cols();
  }

  @Override
  public int[] inputOrder() {
    return order.clone();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    source.readRows(firstRow, numRows, dst);
  }
}
