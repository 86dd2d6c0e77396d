package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;

/** Refusals that all twins share: operator, argument, what was expected, what it got. */
final class Arguments {
  private Arguments() {}

  static void aligned(String operator, String argument, long address, int bytes) {
    if (address == 0 || address % bytes != 0) {
      throw new KernelException(
          operator,
          argument,
          "a device address that is a multiple of " + bytes,
          "0x" + Long.toHexString(address));
    }
  }

  static void same(String operator, String argument, Object expected, Object got) {
    if (!expected.equals(got)) {
      throw new KernelException(operator, argument, expected, got);
    }
  }

  static void inRange(String operator, String argument, long low, long high, long got) {
    if (got < low || got > high) {
      throw new KernelException(operator, argument, low + ".." + high, got);
    }
  }

  static void atLeast(String operator, String argument, long low, long got) {
    if (got < low) {
      throw new KernelException(operator, argument, "at least " + low, got);
    }
  }
}
