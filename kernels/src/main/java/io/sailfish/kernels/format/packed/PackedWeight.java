package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Weights that are multiplied together, as they are packed without losing a bit: codes as {@link
 * SourcePacking} has them, fp16 in {@link HalfPanels}. {@link PackedRows} gives back the rows.
 */
public final class PackedWeight {
  private static final int ROWS_AT_ONCE = 64;

  private final PackedForm form;
  private final List<WeightSource> parts;
  private final CodeMatrix codes;

  private PackedWeight(PackedForm form, List<WeightSource> parts, CodeMatrix codes) {
    this.form = form;
    this.parts = parts;
    this.codes = codes;
  }

  /**
   * @param parts of one format
   * @param gated two parts whose outputs come by turns; else parts are stacked
   * @param dense whether weights of 16 bits and no others are wanted, as for vocabularies
   * @return null where packing would lose something
   */
  public static PackedWeight of(List<WeightSource> parts, boolean gated, boolean dense) {
    int rows = parts.stream().mapToInt(WeightSource::rows).sum();
    int cols = parts.get(0).cols();
    if (parts.stream().allMatch(part -> part.format() == QuantFormat.F16)) {
      return new PackedWeight(PackedForm.dense(rows, cols, gated), parts, null);
    }
    SourcePacking packing = dense ? null : SourcePacking.of(parts);
    if (packing == null || !PackedRows.returns(parts.get(0).format())) {
      return null;
    }
    PackedLayout layout = packing.layout();
    float largest = 0;
    for (WeightSource part : parts) {
      float of = largestExactScale(part, layout);
      if (Float.isNaN(of)) {
        return null;
      }
      largest = Math.max(largest, of);
    }
    PackedForm form = new PackedForm(layout, packing.tables(), rows, cols, gated, largest);
    List<CodeMatrix> codes = packing.parts();
    CodeMatrix matrix =
        gated
            ? FusedCodes.interleaved(codes.get(0), codes.get(1))
            : FusedCodes.stacked(codes, parts.stream().mapToInt(WeightSource::rows).toArray());
    return new PackedWeight(form, parts, matrix);
  }

  /** NaN where a scale or a second value is no number of the layout's type. */
  private static float largestExactScale(WeightSource part, PackedLayout layout) {
    int chunks = (part.rows() - 1) / ROWS_AT_ONCE + 1;
    return (float)
        IntStream.range(0, chunks)
            .parallel()
            .mapToDouble(chunk -> largestExactScale(part, layout, chunk * ROWS_AT_ONCE))
            // Not max(), which a NaN may get lost in.
            .reduce(0, (a, b) -> Double.isNaN(a) || a > b ? a : b);
  }

  private static double largestExactScale(WeightSource part, PackedLayout layout, int first) {
    QuantFormat format = part.format();
    RowCodes reader = RowCodes.of(format);
    int rowBytes = Math.toIntExact(format.rowBytes(part.cols()));
    int count = Math.min(ROWS_AT_ONCE, part.rows() - first);
    ByteBuffer rows = ByteBuffer.allocate(count * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    part.readRows(first, count, rows);
    double largest = 0;
    for (int r = 0; r < count; r++) {
      ByteBuffer row = rows.slice(r * rowBytes, rowBytes).order(ByteOrder.LITTLE_ENDIAN);
      for (int unit = 0; unit < part.cols() / RowCodes.UNIT; unit++) {
        float scale = reader.scale(format, row, unit);
        boolean exact =
            exact(layout, scale)
                && (!layout.hasZeros() || exact(layout, reader.second(format, row, unit)));
        if (!exact) {
          return Double.NaN;
        }
        largest = Math.max(largest, Math.abs(scale));
      }
    }
    return largest;
  }

  private static boolean exact(PackedLayout layout, float value) {
    return layout.scaleType().decode(layout.scaleType().encode(value)) == value;
  }

  public PackedForm form() {
    return form;
  }

  /** Packs all panels on all cores. The sink gets each once. */
  public void pack(PanelSink sink) {
    if (codes != null) {
      PackedCodec.pack(form.layout(), codes, sink);
      return;
    }
    IntStream.range(0, form.panels())
        .parallel()
        .forEach(panel -> sink.accept(panel, (long) panel * form.panelBytes(), denseParts(panel)));
  }

  private byte[] denseParts(int panel) {
    byte[] bytes = new byte[form.panelBytes()];
    ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer row = ByteBuffer.allocate(form.cols() * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    int first = panel * HalfPanels.PANEL;
    for (int output = first; output < Math.min(form.rows(), first + HalfPanels.PANEL); output++) {
      readRow(output, row.clear());
      for (int k = 0; k < form.cols(); k++) {
        int to = Short.BYTES * HalfPanels.indexInPanel(output, k, form.cols());
        out.putShort(to, row.getShort(Short.BYTES * k));
      }
    }
    return bytes;
  }

  private void readRow(int output, ByteBuffer dst) {
    int part = form.gated() ? output & 1 : 0;
    int row = form.gated() ? output >> 1 : output;
    while (!form.gated() && row >= parts.get(part).rows()) {
      row -= parts.get(part++).rows();
    }
    parts.get(part).readRows(row, 1, dst);
  }

  /** Encoded tables; null without. */
  public byte[] tableBytes() {
    if (form.tables() == null) {
      return null;
    }
    short[] values = form.tables().encoded();
    ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asShortBuffer().put(values);
    return bytes.array();
  }

  @Override
  public String toString() {
    return form + " of " + Arrays.toString(parts.stream().map(WeightSource::name).toArray());
  }
}
