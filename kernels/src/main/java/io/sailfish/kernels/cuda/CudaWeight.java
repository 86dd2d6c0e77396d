package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Weight;

/** A weight on the card, packed to 4 bits or less or dense, or one that comes there when used. */
sealed interface CudaWeight extends Weight permits PackedMatrix, DenseMatrix, StreamedWeight {
  /** Whether outputs are gates and ups by turns, for swiGlu alone. */
  boolean gated();
}
