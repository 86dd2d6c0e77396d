package io.sailfish.kernels.cuda;

import io.sailfish.kernels.IntTensor;

/** Integers on the card. */
record CudaInts(int length, DeviceBuffer buffer) implements IntTensor {
  long address() {
    return buffer.address();
  }
}
