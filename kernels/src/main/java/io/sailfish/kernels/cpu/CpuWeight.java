package io.sailfish.kernels.cpu;

import io.sailfish.kernels.Weight;

/** A weight whose rows can be read back, in whatever form the CPU keeps it. */
interface CpuWeight extends Weight {
  /** Decodes row {@code row}, {@link #cols()} values, to {@code dst} from {@code dstOffset} on. */
  void decodeRow(int row, float[] dst, int dstOffset);
}
