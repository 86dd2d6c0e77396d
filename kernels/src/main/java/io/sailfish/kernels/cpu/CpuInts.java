package io.sailfish.kernels.cpu;

import io.sailfish.kernels.IntTensor;

/** Integers in a Java array. */
final class CpuInts implements IntTensor {
  final int[] data;

  CpuInts(int length) {
    this.data = new int[length];
  }

  @Override
  public int length() {
    return data.length;
  }
}
