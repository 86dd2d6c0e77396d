package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.KernelException;
import java.util.Arrays;

/**
 * Activation order (GPTQ's desc_act): inputs are sorted by their group, so that groups are runs
 * again; packed input j is original input {@code permutation[j]}. Whoever writes x gathers it in
 * that order; the product itself knows nothing of it.
 */
public final class ActOrder {
  private ActOrder() {}

  /**
   * Permutation of {@code paddedInputs} inputs that sorts by group and keeps the order within one;
   * padding maps to itself.
   *
   * @param groupOfInput group index of each input; every group but the last has exactly {@code
   *     layout.group()} inputs
   */
  public static int[] permutation(PackedLayout layout, int[] groupOfInput) {
    if (groupOfInput.length != layout.inputs()) {
      throw new KernelException(
          "act order", "group indices", layout.inputs() + " of them", groupOfInput.length);
    }
    int[] next = groupStarts(layout, groupOfInput);
    int[] permutation = new int[layout.paddedInputs()];
    Arrays.setAll(permutation, i -> i);
    for (int k = 0; k < groupOfInput.length; k++) {
      permutation[next[groupOfInput[k]]++] = k;
    }
    return permutation;
  }

  private static int[] groupStarts(PackedLayout layout, int[] groupOfInput) {
    int[] counts = new int[layout.groups()];
    for (int k = 0; k < groupOfInput.length; k++) {
      int group = groupOfInput[k];
      if (group < 0 || group >= counts.length) {
        throw new KernelException(
            "act order", "group of input " + k, "0.." + (counts.length - 1), group);
      }
      counts[group]++;
    }
    int[] starts = new int[counts.length];
    int start = 0;
    for (int group = 0; group < counts.length; group++) {
      starts[group] = start;
      int expected = Math.min(layout.group(), layout.inputs() - start);
      if (counts[group] != expected) {
        throw new KernelException("act order", "inputs of group " + group, expected, counts[group]);
      }
      start += expected;
    }
    return starts;
  }

  /** The matrix with its inputs in permuted order; scales and zeros are those of its groups. */
  public static CodeMatrix permute(CodeMatrix matrix, int inputs, int[] permutation) {
    return new CodeMatrix() {
      @Override
      public void codes(int output, byte[] dst, int dstOffset) {
        byte[] original = new byte[inputs];
        matrix.codes(output, original, 0);
        for (int k = 0; k < inputs; k++) {
          dst[dstOffset + k] = original[permutation[k]];
        }
      }

      @Override
      public void scales(int output, short[] dst, int dstOffset) {
        matrix.scales(output, dst, dstOffset);
      }

      @Override
      public void zeros(int output, short[] dst, int dstOffset) {
        matrix.zeros(output, dst, dstOffset);
      }
    };
  }
}
