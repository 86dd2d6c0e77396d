package io.sailfish.kernels.cuda;

import io.sailfish.kernels.StepInputs;

/** Device addresses of a step's inputs. */
record CudaStep(
    long tokenIds, long positions, long slots, long rowSequences, long blockTables, int stride) {
  static CudaStep of(StepInputs step) {
    return new CudaStep(
        ((CudaInts) step.tokenIds()).address(),
        ((CudaInts) step.positions()).address(),
        ((CudaInts) step.slots()).address(),
        ((CudaInts) step.rowSequences()).address(),
        ((CudaInts) step.blockTables()).address(),
        step.blockTableStride());
  }
}
