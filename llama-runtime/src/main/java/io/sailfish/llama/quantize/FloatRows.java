package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A matrix or vector in memory as a tensor in fp32. */
record FloatRows(Matrix matrix) implements WeightSource {

  @Override
  public String name() {
    return matrix.name();
  }

  @Override
  public QuantFormat format() {
    return QuantFormat.F32;
  }

  @Override
  public int rows() {
    return matrix.rows();
  }

  @Override
  public int cols() {
    return matrix.cols();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    int from = firstRow * cols();
    int count = numRows * cols();
    dst.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(matrix.values(), from, count);
    dst.position(dst.position() + 4 * count);
  }
}
