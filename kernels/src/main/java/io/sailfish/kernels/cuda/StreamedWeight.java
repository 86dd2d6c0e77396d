package io.sailfish.kernels.cuda;

/**
 * A weight that comes to the card when it is used.
 *
 * @param there the weight at the place that it comes to
 * @param stream brings it
 * @param number in the stream's order
 */
record StreamedWeight(CudaWeight there, WeightStream stream, int number) implements CudaWeight {
  @Override
  public String name() {
    return there.name();
  }

  @Override
  public int rows() {
    return there.rows();
  }

  @Override
  public int cols() {
    return there.cols();
  }

  @Override
  public long bytes() {
    return there.bytes();
  }

  @Override
  public boolean gated() {
    return there.gated();
  }
}
