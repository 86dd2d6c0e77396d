package io.sailfish.kernels.cuda;

/**
 * A packed weight on the card.
 *
 * @param gated outputs 2j are gates, 2j+1 ups
 * @param device where it is
 */
record PackedMatrix(boolean gated, DeviceWeight device) implements CudaWeight {
  @Override
  public String name() {
    return device.name();
  }

  @Override
  public int rows() {
    return device.layout().outputs();
  }

  @Override
  public int cols() {
    return device.layout().inputs();
  }

  @Override
  public long bytes() {
    return device.layout().bytes();
  }
}
