package io.sailfish.kernels;

/**
 * A dense activation matrix, row-major {@code [rows, cols]}, in the memory and element type of the
 * {@link Backend} that made it (fp32 on the CPU). Owned by that backend, freed with it. An operator
 * gets how many leading rows it works on as an argument of its own, so one tensor serves every
 * batch size up to {@link #rows()}.
 */
public interface Tensor {
  int rows();

  int cols();
}
