package io.sailfish.kernels.format.packed;

/**
 * A quantized weight matrix as codes and groups, output by output: what is packed, and what comes
 * out of unpacking. Implementations are read by several threads at once.
 */
public interface CodeMatrix {
  /** Copies the codes of an output, one a byte, {@code inputs} of them. */
  void codes(int output, byte[] dst, int dstOffset);

  /** Copies the scales of an output, {@code groups} two-byte floats. */
  void scales(int output, short[] dst, int dstOffset);

  /** Copies the second values of an output likewise; not called for symmetric layouts. */
  void zeros(int output, short[] dst, int dstOffset);
}
