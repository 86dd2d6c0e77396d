package io.sailfish.kernels.cuda;

import io.sailfish.kernels.IntTensor;

/**
 * Integers on the card.
 *
 * @param first the first of the buffer's
 */
record CudaInts(DeviceBuffer buffer, int first, int length) implements IntTensor {
  long address() {
    return buffer.address() + (long) first * Integer.BYTES;
  }
}
