package io.sailfish.kernels;

/** A vector of 32-bit integers in backend memory: token ids, positions, slots, block tables. */
public interface IntTensor {
  int length();
}
