package io.sailfish.kernels.cuda;

import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.JCudaDriver;

/**
 * Captured work that is launched as one. Addresses and scalars are those of the capture; what they
 * point to may change between launches.
 */
public final class CudaGraph implements AutoCloseable {
  private final DeviceFaults faults;
  private final String purpose;
  private final CUgraphExec executable = new CUgraphExec();

  /** Instantiates and consumes {@code captured}. */
  CudaGraph(DeviceFaults faults, String purpose, CUgraph captured) {
    this.faults = faults;
    this.purpose = purpose;
    int code = JCudaDriver.cuGraphInstantiate(executable, captured, 0);
    int destroyed = JCudaDriver.cuGraphDestroy(captured);
    faults.check(code, "cuGraphInstantiate(" + purpose + ")");
    faults.check(destroyed, "cuGraphDestroy(" + purpose + ")");
  }

  /** Queues the whole graph. */
  public void launch(CudaStream stream) {
    faults.checkAlive();
    faults.launching("graph " + purpose);
    faults.check(
        JCudaDriver.cuGraphLaunch(executable, stream.handle()), "cuGraphLaunch(" + purpose + ")");
  }

  @Override
  public void close() {
    if (!faults.lost()) {
      faults.check(JCudaDriver.cuGraphExecDestroy(executable), "cuGraphExecDestroy");
    }
  }
}
