package io.sailfish.kernels;

/**
 * A weight matrix W {@code [rows, cols]} = [outputs N, inputs K] packed for one backend: one
 * source, or several stacked along the outputs (q|k|v, gate|up). Stays quantized in memory. Owned
 * by its backend.
 */
public interface Weight {
  String name();

  /** N, outputs, the sum over all parts. */
  int rows();

  /** K, inputs. */
  int cols();

  /** Bytes held for it in backend memory. */
  long bytes();
}
