package io.sailfish.kernels.cuda;

/** Where {@link CudaMemory} takes device memory from: the driver, or a fake in tests. */
interface DeviceAllocator {
  /** Returned by {@link #allocate} when there is not enough memory. */
  long NONE = 0;

  /** Address of {@code bytes} fresh bytes, aligned to 256, or {@link #NONE}. */
  long allocate(long bytes);

  void free(long address);

  long freeBytes();
}
