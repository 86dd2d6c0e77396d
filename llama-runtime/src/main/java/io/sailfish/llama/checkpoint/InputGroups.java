package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.format.GroupBlocks;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/** Which group of scales each input of a matrix belongs to, and the order that makes them runs. */
final class InputGroups {
  private final int[] order;
  private final int[] groupOfBlock;

  private InputGroups(int[] order, int[] groupOfBlock) {
    this.order = order;
    this.groupOfBlock = groupOfBlock;
  }

  /** Groups of neighbouring inputs. */
  static InputGroups runs(int inputs, int groupSize) {
    int[] groupOfBlock = new int[inputs / GroupBlocks.LENGTH];
    Arrays.setAll(groupOfBlock, block -> block * GroupBlocks.LENGTH / groupSize);
    return new InputGroups(null, groupOfBlock);
  }

  /**
   * Groups as a stored index says (GPTQ's g_idx). Inputs are sorted by group where they are not.
   *
   * @param index I32 [inputs]
   */
  static InputGroups stored(StoredTensor index, int inputs, int numGroups) {
    index.require(List.of(StoredTensor.Type.I32), inputs);
    ByteBuffer stored = index.readAll();
    int[] group = new int[inputs];
    int[] next = new int[numGroups];
    boolean sorted = true;
    for (int k = 0; k < inputs; k++) {
      group[k] = stored.getInt(4 * k);
      if (group[k] < 0 || group[k] >= numGroups) {
        throw index.fail(
            "element %d = %d".formatted(k, group[k]), "there are " + numGroups + " groups");
      }
      next[group[k]]++;
      sorted &= k == 0 || group[k] >= group[k - 1];
    }
    int start = 0;
    for (int g = 0; g < numGroups; g++) {
      int size = next[g];
      if (size % GroupBlocks.LENGTH != 0) {
        throw index.fail(
            "group %d of %d inputs".formatted(g, size),
            "must be a multiple of " + GroupBlocks.LENGTH);
      }
      next[g] = start;
      start += size;
    }
    int[] order = new int[inputs];
    for (int k = 0; k < inputs; k++) {
      order[next[group[k]]++] = k;
    }
    int[] groupOfBlock = new int[inputs / GroupBlocks.LENGTH];
    Arrays.setAll(groupOfBlock, block -> group[order[block * GroupBlocks.LENGTH]]);
    return new InputGroups(sorted ? null : order, groupOfBlock);
  }

  /** Position j of a row is input {@code order()[j]}; null when that is j. */
  int[] order() {
    return order == null ? null : order.clone();
  }

  /** Group of each block of 32 positions. */
  int groupOfBlock(int block) {
    return groupOfBlock[block];
  }
}
