package io.sailfish.kernels.cuda;

import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** A point in a stream's work, with its time. */
public final class CudaEvent implements AutoCloseable {
  private final DeviceFaults faults;
  private final CUevent event = new CUevent();

  CudaEvent(DeviceFaults faults) {
    this.faults = faults;
    faults.checkAlive();
    // A waiting thread sleeps: the processors are the tasks'.
    faults.check(
        JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_BLOCKING_SYNC), "cuEventCreate");
  }

  CUevent handle() {
    return event;
  }

  /** Waits until the work before this event is done. */
  public void synchronize() {
    faults.checkAlive();
    faults.check(JCudaDriver.cuEventSynchronize(event), "cuEventSynchronize");
  }

  /** Microseconds from {@code start} to this event, both reached. */
  public double microsSince(CudaEvent start) {
    float[] millis = new float[1];
    faults.check(JCudaDriver.cuEventElapsedTime(millis, start.event, event), "cuEventElapsedTime");
    return millis[0] * 1e3;
  }

  @Override
  public void close() {
    if (!faults.lost()) {
      faults.check(JCudaDriver.cuEventDestroy(event), "cuEventDestroy");
    }
  }
}
