package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/** A matrix (or a vector, as one row) of floats as a safetensors file holds it. */
final class DenseTensor implements WeightSource {
  private final StoredTensor tensor;
  private final TensorShapes.Shape shape;

  DenseTensor(StoredTensor tensor, TensorShapes.Shape shape) {
    boolean vector = shape.rows() == 1 && tensor.hasShape(shape.cols());
    if (!vector && !tensor.hasShape(shape.rows(), shape.cols())) {
      throw tensor.fail("shape " + tensor.shape(), "expected " + shape);
    }
    this.tensor = tensor;
    this.shape = shape;
  }

  @Override
  public String name() {
    return tensor.name();
  }

  @Override
  public QuantFormat format() {
    return tensor.type().format;
  }

  @Override
  public int rows() {
    return shape.rows();
  }

  @Override
  public int cols() {
    return shape.cols();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    SourceRows.check(this, firstRow, numRows, dst);
    int limit = dst.limit();
    dst.limit(dst.position() + (int) (numRows * format().rowBytes(cols())));
    try {
      tensor.read((long) firstRow * cols(), dst);
    } finally {
      dst.limit(limit);
    }
  }
}
