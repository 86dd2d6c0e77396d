package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.FusedCodes;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.kernels.format.packed.SourcePacking;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Brings a checkpoint's weights to the card: packed as {@link SourcePacking} says; what does not
 * pack becomes dense weights of the activations' type, each rounded once (relative error at most
 * 2^-11 in fp16 and 2^-9 in bf16; none for F16 and BF16 in themselves and for Q8_0 only where scale
 * times code fits).
 */
final class WeightPacking {
  private final CudaDevice device;
  private final WeightUpload upload;
  private final WeightHome home;
  private final TwoByteFloat type;

  /**
   * @param type of the activations, and so of tables and dense weights
   */
  WeightPacking(CudaDevice device, WeightUpload upload, WeightHome home, TwoByteFloat type) {
    this.type = type;
    this.device = device;
    this.upload = upload;
    this.home = home;
  }

  /** Parts stacked, or the outputs of two parts by turns. */
  PackedMatrix packed(String name, SourcePacking packing, List<WeightSource> parts, boolean gated) {
    List<CodeMatrix> codes = packing.parts();
    CodeMatrix matrix =
        gated
            ? FusedCodes.interleaved(codes.get(0), codes.get(1))
            : FusedCodes.stacked(codes, parts.stream().mapToInt(WeightSource::rows).toArray());
    return new PackedMatrix(
        gated, upload.upload(name, packing.layout(), matrix, ofType(packing.tables()), home));
  }

  private LutTables ofType(LutTables tables) {
    return tables == null ? null : tables.as(type);
  }

  /** What a file holds as the card keeps it. */
  CudaWeight copied(PackedSource source) {
    PackedForm form = source.form();
    long blocks = home.place(form.bytes(), source.name());
    upload.copy(source, blocks);
    if (form.layout() == null) {
      return new DenseMatrix(source.name(), type, form.rows(), form.cols(), form.gated(), blocks);
    }
    LutTables tables = ofType(form.tables());
    int exponent = ScaleExponent.of(form.largestScale(), tables);
    long values = tables == null ? 0 : upload.tables(source.name(), tables, home);
    return new PackedMatrix(
        form.gated(),
        new DeviceWeight(
            source.name(),
            form.layout(),
            blocks,
            values,
            tables == null ? 0 : tables.count(),
            exponent));
  }

  /** The same as dense weights. */
  DenseMatrix dense(String name, List<WeightSource> parts, boolean gated) {
    int rows = parts.stream().mapToInt(WeightSource::rows).sum();
    int cols = parts.get(0).cols();
    long address = home.place(DenseMatrix.bytes(rows, cols), name);
    long panelBytes = DenseMatrix.panelBytes(cols);
    IntStream.range(0, DenseMatrix.panels(rows))
        .parallel()
        .forEach(
            panel -> {
              byte[] bytes = panel(name, parts, gated, rows, panel);
              synchronized (upload) {
                device.makeCurrent();
                upload.send(bytes, bytes.length, address + panel * panelBytes);
              }
            });
    device.makeCurrent();
    return new DenseMatrix(name, type, rows, cols, gated, address);
  }

  private byte[] panel(String name, List<WeightSource> parts, boolean gated, int rows, int panel) {
    int cols = parts.get(0).cols();
    byte[] bytes = new byte[Math.toIntExact(DenseMatrix.panelBytes(cols))];
    ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[cols];
    int first = panel * DenseMatrix.PANEL;
    for (int output = first; output < Math.min(rows, first + DenseMatrix.PANEL); output++) {
      readRow(parts, gated, output, values);
      for (int k = 0; k < cols; k++) {
        short encoded = type.encode(values[k]);
        if (Float.isFinite(values[k]) && !Float.isFinite(type.decode(encoded))) {
          throw new KernelException(
              "weight " + name,
              "output " + output,
              "values that %s holds".formatted(type.describe()),
              values[k]);
        }
        out.putShort(2 * DenseMatrix.indexInPanel(output, k, cols), encoded);
      }
    }
    return bytes;
  }

  private static void readRow(List<WeightSource> parts, boolean gated, int output, float[] values) {
    int part = gated ? output & 1 : 0;
    int row = gated ? output >> 1 : output;
    while (!gated && row >= parts.get(part).rows()) {
      row -= parts.get(part++).rows();
    }
    WeightSource source = parts.get(part);
    int rowBytes = Math.toIntExact(source.format().rowBytes(source.cols()));
    ByteBuffer encoded = ByteBuffer.allocate(rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(row, 1, encoded);
    source.format().codec().decode(encoded, 0, values, 0, source.cols());
  }
}
