package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * A matrix as codes on a fitted grid.
 *
 * @param codes {@code [rows, cols]}
 */
public record QuantizedMatrix(String name, FittedGrid fitted, byte[] codes)
    implements WeightSource {

  /** Pieces of one matrix put together again, in the order of their rows. */
  public static QuantizedMatrix join(List<QuantizedMatrix> pieces) {
    FittedGrid first = pieces.get(0).fitted();
    int rows = pieces.stream().mapToInt(QuantizedMatrix::rows).sum();
    int groups = first.groups();
    byte[] codes = new byte[rows * first.cols()];
    float[] scales = new float[rows * groups];
    int[] zeros = first.zeros() == null ? null : new int[scales.length];
    boolean learned = first.grid().learned();
    int strips = (rows + FittedGrid.STRIP - 1) / FittedGrid.STRIP;
    float[] tables = learned ? new float[strips * first.grid().codes()] : first.tables();
    int row = 0;
    for (QuantizedMatrix piece : pieces) {
      FittedGrid part = piece.fitted();
      System.arraycopy(piece.codes, 0, codes, row * first.cols(), piece.codes.length);
      System.arraycopy(part.scales(), 0, scales, row * groups, part.scales().length);
      if (zeros != null) {
        System.arraycopy(part.zeros(), 0, zeros, row * groups, part.zeros().length);
      }
      if (learned) {
        int strip = row / FittedGrid.STRIP * first.grid().codes();
        System.arraycopy(part.tables(), 0, tables, strip, part.tables().length);
      }
      row += piece.rows();
    }
    FittedGrid fitted =
        new FittedGrid(
            first.grid(), rows, first.cols(), first.group(), groups, scales, zeros, tables);
    return new QuantizedMatrix(pieces.get(0).name(), fitted, codes);
  }

  /** Decodes an output, {@code cols} weights. */
  void row(int row, float[] dst) {
    int cols = fitted.cols();
    for (int c = 0; c < cols; c++) {
      dst[c] = fitted.value(row, c, codes[row * cols + c] & 0xFF);
    }
  }

  /** The format of its rows; tables that were learned are multiplied out. */
  @Override
  public QuantFormat format() {
    QuantFormat format = fitted.grid().format();
    return format == null ? QuantFormat.F32 : format;
  }

  @Override
  public int rows() {
    return fitted.rows();
  }

  @Override
  public int cols() {
    return fitted.cols();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    if (firstRow < 0 || numRows < 0 || firstRow > rows() - numRows) {
      throw new IndexOutOfBoundsException(
          "tensor %s: rows [%d, +%d) of %d".formatted(name, firstRow, numRows, rows()));
    }
    ByteBuffer to =
        dst.order() == ByteOrder.LITTLE_ENDIAN ? dst : dst.order(ByteOrder.LITTLE_ENDIAN);
    for (int row = firstRow; row < firstRow + numRows; row++) {
      writeRow(row, to);
    }
  }

  private void writeRow(int row, ByteBuffer dst) {
    Grid grid = fitted.grid();
    int cols = cols();
    if (grid.learned()) {
      float[] values = new float[cols];
      row(row, values);
      for (float value : values) {
        dst.putFloat(value);
      }
      return;
    }
    byte[] pairs = new byte[GroupBlocks.LENGTH / 2];
    for (int k = 0; k < cols; k += GroupBlocks.LENGTH) {
      int at = row * fitted.groups() + k / fitted.group();
      float scale = fitted.scales()[at];
      if (grid.integers()) {
        GroupBlocks.putIntegers(
            grid.format(), scale, fitted.zeros()[at], codes, row * cols + k, dst);
      } else {
        for (int i = 0; i < pairs.length; i++) {
          int first = row * cols + k + 2 * i;
          pairs[i] = (byte) (codes[first] << 4 | codes[first + 1]);
        }
        GroupBlocks.putTable(grid.format(), scale, ByteBuffer.wrap(pairs), 0, dst);
      }
    }
  }
}
