package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/**
 * A matrix of group-wise integers, output by output as blocks of {@link GroupBlocks#integers}: the
 * same codes, scales and zero points as the file's, in another order. The stored tensors are read
 * whole when the first row is asked for, and held as long as this source.
 *
 * @param name of the dense weight, for messages
 * @param groups which group each input belongs to
 */
record GroupedMatrix(
    String name,
    QuantFormat format,
    TensorShapes.Shape shape,
    InputGroups groups,
    Lazy<Layout> layout)
    implements WeightSource {
  /** One stored layout: GPTQ, AWQ or compressed-tensors. Read by several threads once opened. */
  interface Layout {
    /** Codes of all inputs of an output, in the file's order of inputs. */
    void codes(int output, byte[] dst);

    /** Scale of an output's group. */
    float scale(int output, int group);

    /** Zero point of an output's group. */
    int zero(int output, int group);
  }

  @Override
  public int rows() {
    return shape.rows();
  }

  @Override
  public int cols() {
    return shape.cols();
  }

  @Override
  public int[] inputOrder() {
    return groups.order();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    SourceRows.check(this, firstRow, numRows, dst);
    Layout from = layout.get();
    int[] order = groups.order();
    byte[] stored = new byte[cols()];
    byte[] codes = order == null ? stored : new byte[cols()];
    for (int row = firstRow; row < firstRow + numRows; row++) {
      from.codes(row, stored);
      for (int k = 0; order != null && k < codes.length; k++) {
        codes[k] = stored[order[k]];
      }
      for (int k = 0; k < codes.length; k += GroupBlocks.LENGTH) {
        int group = groups.groupOfBlock(k / GroupBlocks.LENGTH);
        GroupBlocks.putIntegers(
            format, from.scale(row, group), from.zero(row, group), codes, k, dst);
      }
    }
  }
}
