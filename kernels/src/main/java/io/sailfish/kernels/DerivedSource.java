package io.sailfish.kernels;

import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/** A weight made of another one: like it in all that it does not say itself. */
public interface DerivedSource extends WeightSource {
  /** The other one. */
  WeightSource source();

  @Override
  default String name() {
    return source().name();
  }

  @Override
  default QuantFormat format() {
    return source().format();
  }

  @Override
  default int rows() {
    return source().rows();
  }

  @Override
  default int cols() {
    return source().cols();
  }

  @Override
  default int[] inputOrder() {
    return source().inputOrder();
  }

  @Override
  default void readRows(int firstRow, int numRows, ByteBuffer dst) {
    source().readRows(firstRow, numRows, dst);
  }
}
