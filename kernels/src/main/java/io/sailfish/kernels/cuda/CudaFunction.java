package io.sailfish.kernels.cuda;

import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.JCudaDriver;

/** A loaded entry. */
final class CudaFunction {
  /** What every kernel may use without asking, less what its own variables may take of it. */
  private static final int DEFAULT_SHARED_BYTES = 16 * 1024;

  private static final int PORTABLE_CLUSTER = 8;

  /** Lets its native handle be read, which JCuda keeps protected. */
  private static final class Handle extends CUfunction {
    long value() {
      return getNativePointer();
    }
  }

  private final Handle handle = new Handle();
  private final DeviceFaults faults;
  private int sharedBytes = DEFAULT_SHARED_BYTES;
  private int cluster = PORTABLE_CLUSTER;
  private boolean mostlyShared;

  CudaFunction(DeviceFaults faults) {
    this.faults = faults;
  }

  CUfunction target() {
    return handle;
  }

  long value() {
    return handle.value();
  }

  /**
   * Raises the function's limits to what a launch needs; costs a driver call only when it grows.
   */
  void prepare(LaunchGeometry geometry) {
    if (geometry.sharedBytes() > sharedBytes) {
      set(
          CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
          geometry.sharedBytes());
      sharedBytes = geometry.sharedBytes();
    }
    if (geometry.overlap() && !mostlyShared) {
      // A multiprocessor changes its split between cache and shared memory only when it is empty:
      // kernels that run beside one another must agree on it.
      set(CUfunction_attribute.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100);
      mostlyShared = true;
    }
    if (geometry.cluster() > cluster) {
      set(CUfunction_attribute.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1);
      cluster = geometry.cluster();
    }
  }

  private void set(int attribute, int value) {
    faults.check(
        JCudaDriver.cuFuncSetAttribute(handle, attribute, value),
        "cuFuncSetAttribute(%s, %d)".formatted(CUfunction_attribute.stringFor(attribute), value));
  }
}
