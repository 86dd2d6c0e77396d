package io.sailfish.kernels.cuda;

import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** Memory of one card, straight from the driver. */
final class DriverAllocator implements DeviceAllocator {
  private final DeviceFaults faults;

  DriverAllocator(DeviceFaults faults) {
    this.faults = faults;
  }

  @Override
  public long allocate(long bytes) {
    faults.checkAlive();
    DeviceAddress address = new DeviceAddress(0);
    int code = JCudaDriver.cuMemAlloc(address, bytes);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return NONE;
    }
    faults.check(code, "cuMemAlloc(" + bytes + ")");
    return address.value();
  }

  @Override
  public void free(long address) {
    // A poisoned context has lost its memory; failing here would hide what poisoned it.
    if (!faults.lost()) {
      faults.check(JCudaDriver.cuMemFree(new DeviceAddress(address)), "cuMemFree");
    }
  }

  @Override
  public long freeBytes() {
    long[] free = new long[1];
    long[] total = new long[1];
    faults.check(JCudaDriver.cuMemGetInfo(free, total), "cuMemGetInfo");
    return free[0];
  }
}
