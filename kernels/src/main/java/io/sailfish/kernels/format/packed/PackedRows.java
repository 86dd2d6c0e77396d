package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The rows of a matrix that is part of a packed weight, as they were before it was packed: row r is
 * output {@code first + step · r} of the weight. For backends that pack otherwise.
 *
 * <p>Panels of 128 outputs are unpacked whole; some of the last ones are kept.
 */
public final class PackedRows implements WeightSource {
  private static final int KEPT = 2 * Runtime.getRuntime().availableProcessors();

  private final String name;
  private final QuantFormat format;
  private final int rows;
  private final PackedSource packed;
  private final int first;
  private final int step;
  private final Map<Integer, byte[]> kept =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Integer, byte[]> eldest) {
          return size() > KEPT;
        }
      };

  /**
   * @param format that the rows had, see {@link #returns}
   */
  public PackedRows(
      String name, QuantFormat format, int rows, PackedSource packed, int first, int step) {
    this.name = name;
    this.format = format;
    this.rows = rows;
    this.packed = packed;
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
    return format;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return packed.form().cols();
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    if (firstRow < 0 || numRows < 0 || firstRow > rows - numRows) {
      throw new IndexOutOfBoundsException(
          "tensor %s: rows [%d, +%d) of %d".formatted(name, firstRow, numRows, rows));
    }
    int rowBytes = Math.toIntExact(format.rowBytes(cols()));
    for (int r = firstRow; r < firstRow + numRows; r++) {
      int output = first + step * r;
      byte[] panel = panel(output / HalfPanels.PANEL);
      dst.put(panel, output % HalfPanels.PANEL * rowBytes, rowBytes);
    }
  }

  private byte[] panel(int panel) {
    synchronized (kept) {
      byte[] rowsOfPanel = kept.get(panel);
      if (rowsOfPanel != null) {
        return rowsOfPanel;
      }
    }
    byte[] unpacked = unpack(panel);
    synchronized (kept) {
      kept.put(panel, unpacked);
    }
    return unpacked;
  }

  /** All rows of a panel, encoded, one behind the other. */
  private byte[] unpack(int panel) {
    PackedForm form = packed.form();
    byte[] bytes = new byte[form.panelBytes()];
    packed.read((long) panel * bytes.length, ByteBuffer.wrap(bytes));
    int count = Math.min(HalfPanels.PANEL, form.rows() - panel * HalfPanels.PANEL);
    ByteBuffer out =
        ByteBuffer.allocate(Math.toIntExact(count * format.rowBytes(cols())))
            .order(ByteOrder.LITTLE_ENDIAN);
    if (form.layout() == null) {
      ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
      for (int output = 0; output < count; output++) {
        for (int k = 0; k < cols(); k++) {
          out.putShort(in.getShort(Short.BYTES * HalfPanels.indexInPanel(output, k)));
        }
      }
      return out.array();
    }
    PackedLayout all = form.layout();
    PackedLayout one =
        new PackedLayout(
            all.code(), all.zeroKind(), count, all.inputs(), all.group(), all.scaleType());
    CodeArrays arrays = new CodeArrays(one);
    new PackedCodec(one).unpackPanel(bytes, 0, 0, arrays);
    new Encoder(one, arrays).encode(out);
    return out.array();
  }

  /** Writes rows of codes in the format that they had. */
  private final class Encoder {
    private final PackedLayout layout;
    private final CodeArrays arrays;
    private final byte[] codes;
    private final short[] scales;
    private final short[] zeros;

    Encoder(PackedLayout layout, CodeArrays arrays) {
      this.layout = layout;
      this.arrays = arrays;
      this.codes = new byte[layout.inputs()];
      this.scales = new short[layout.groups()];
      this.zeros = new short[layout.groups()];
    }

    void encode(ByteBuffer out) {
      for (int output = 0; output < layout.outputs(); output++) {
        arrays.codes(output, codes, 0);
        arrays.scales(output, scales, 0);
        if (layout.hasZeros()) {
          arrays.zeros(output, zeros, 0);
        }
        for (int k = 0; k < layout.inputs(); k += RowCodes.UNIT) {
          unit(k, k / layout.group(), out);
        }
      }
    }

    private void unit(int k, int group, ByteBuffer out) {
      float scale = layout.scaleType().decode(scales[group]);
      switch (format) {
        case U2, U3, U4 -> {
          int middle = 1 << GroupBlocks.bits(format) - 1;
          float zero = layout.hasZeros() ? layout.scaleType().decode(zeros[group]) : middle;
          GroupBlocks.putIntegers(format, scale, (int) zero, codes, k, out);
        }
        case NF4, FP4 -> {
          byte[] pairs = new byte[GroupBlocks.LENGTH / 2];
          for (int i = 0; i < pairs.length; i++) {
            pairs[i] = (byte) (codes[k + 2 * i] << 4 | codes[k + 2 * i + 1]);
          }
          GroupBlocks.putTable(format, scale, ByteBuffer.wrap(pairs), 0, out);
        }
        default -> {
          out.putShort(scales[group]);
          if (format == QuantFormat.Q4_1) {
            out.putShort(zeros[group]);
          }
          int half = GroupBlocks.LENGTH / 2;
          for (int i = 0; i < half; i++) {
            out.put((byte) (codes[k + i] | codes[k + half + i] << 4));
          }
        }
      }
    }
  }
}
