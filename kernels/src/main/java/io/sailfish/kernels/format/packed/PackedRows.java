package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;

/**
 * The rows of a matrix that is part of a packed weight, as they were before it was packed: row r is
 * output {@code first + step · r} of the weight. For backends that pack otherwise.
 */
public final class PackedRows implements WeightSource {
  private final String name;
  private final int rows;
  private final PackedPanels panels;
  private final int first;
  private final int step;

  /**
   * @param panels of the weight, the same for all of its parts
   */
  public PackedRows(String name, int rows, PackedPanels panels, int first, int step) {
    this.name = name;
    this.rows = rows;
    this.panels = panels;
    this.first = first;
    this.step = step;
  }

  /** Whether packed weights of a format can be turned into its rows again. */
  public static boolean returns(QuantFormat format) {
    return switch (format) {
      case F16, U2, U3, U4, NF4, FP4, Q4_0, Q4_1, IQ4_NL -> true;
      default -> false;
    };
  }

  /** Whether a weight of this form can hold rows of a format. */
  public static boolean returns(QuantFormat format, PackedForm form) {
    PackedLayout layout = form.layout();
    if (layout == null || format == QuantFormat.F16) {
      return layout == null && format == QuantFormat.F16;
    }
    boolean halves = layout.group() == RowCodes.UNIT && layout.scaleType() == TwoByteFloat.F16;
    boolean symmetric = layout.zeroKind() == ZeroKind.SYMMETRIC;
    boolean four = layout.code() == PackedCode.W4;
    return switch (format) {
      case U2, U3, U4 ->
          layout.zeroKind() != ZeroKind.OFFSET
              && (four || layout.code().bits() == GroupBlocks.bits(format))
              && layout.code() != PackedCode.LUT4;
      case NF4, FP4 -> layout.code() == PackedCode.LUT4 && symmetric;
      case Q4_0 -> four && halves && symmetric;
      case Q4_1 -> four && halves && layout.zeroKind() == ZeroKind.OFFSET;
      case IQ4_NL -> layout.code() == PackedCode.LUT4 && halves && symmetric;
      default -> false;
    };
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public QuantFormat format() {
    return panels.format();
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return panels.cols();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    if (firstRow < 0 || numRows < 0 || firstRow > rows - numRows) {
      throw new IndexOutOfBoundsException(
          "tensor %s: rows [%d, +%d) of %d".formatted(name, firstRow, numRows, rows));
    }
    int rowBytes = Math.toIntExact(format().rowBytes(cols()));
    for (int r = firstRow; r < firstRow + numRows; r++) {
      int output = first + step * r;
      byte[] panel = panels.rows(output / HalfPanels.PANEL);
      dst.put(panel, output % HalfPanels.PANEL * rowBytes, rowBytes);
    }
  }
}
