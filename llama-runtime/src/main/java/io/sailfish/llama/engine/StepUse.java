package io.sailfish.llama.engine;

import io.sailfish.llama.DeviceUse;

/**
 * What a step took of the device.
 *
 * @param rows of the step
 * @param decoding rows of it that answers go on by, drafted ones included
 * @param nanos from the end of the step before, or from its own start
 * @param floorNanos see {@link StepExecutor#floorNanos}
 * @param kvUse share of the blocks for keys and values that are in use
 */
record StepUse(int rows, int decoding, long nanos, long floorNanos, double kvUse) {
  /** The share of one sequence. */
  DeviceUse of(BatchPlan.Part part, boolean decodes) {
    long share = nanos * part.rows() / rows;
    if (!decodes) {
      return new DeviceUse(share, 0, 0, 0, kvUse);
    }
    boolean pure = decoding == rows && floorNanos > 0;
    long floor = pure ? floorNanos * part.rows() / rows : 0;
    return new DeviceUse(0, share, pure ? share : 0, floor, kvUse);
  }
}
