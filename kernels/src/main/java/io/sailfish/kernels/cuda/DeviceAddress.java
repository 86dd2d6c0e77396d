package io.sailfish.kernels.cuda;

import jcuda.driver.CUdeviceptr;

/** A device address as JCuda wants it. */
final class DeviceAddress extends CUdeviceptr {
  DeviceAddress(long address) {
    super(new CUdeviceptr(), address); // null plus a byte offset: JCuda has no constructor by value
  }

  long value() {
    return getNativePointer() + getByteOffset();
  }
}
