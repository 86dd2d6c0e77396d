package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Weight;

/** A weight on the card: packed to 4 bits or less, or dense. */
sealed interface CudaWeight extends Weight permits PackedMatrix, DenseMatrix {
  /** Whether outputs are gates and ups by turns, for swiGlu alone. */
  boolean gated();
}
