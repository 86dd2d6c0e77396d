package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Panels of 128 outputs of a packed weight, unpacked into the rows that they were made of; some of
 * the last ones are kept. All {@link PackedRows} of a weight share one: outputs of two gated parts
 * come by turns, so each panel has rows of both.
 */
public final class PackedPanels {
  private static final int KEPT = 2 * Runtime.getRuntime().availableProcessors();

  private final PackedSource packed;
  private final QuantFormat format;
  private final Map<Integer, byte[]> kept =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Integer, byte[]> eldest) {
          return size() > KEPT;
        }
      };

  /**
   * @param format that the rows had, see {@link PackedRows#returns}
   */
  public PackedPanels(PackedSource packed, QuantFormat format) {
    this.packed = packed;
    this.format = format;
  }

  QuantFormat format() {
    return format;
  }

  int cols() {
    return packed.form().cols();
  }

  /** Rows of a panel, encoded, one behind the other; not to be written to. */
  byte[] rows(int panel) {
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
          out.putShort(in.getShort(Short.BYTES * HalfPanels.indexInPanel(output, k, cols())));
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
