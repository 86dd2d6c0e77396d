package io.sailfish.kernels.cpu;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.WeightSource;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows as the checkpoint has them, decoded by the format's codec: what {@link ReferenceOps} reads,
 * so that the oracle shares no layout with the fast paths.
 */
final class EncodedWeight implements CpuWeight {
  private final String name;
  private final int rows;
  private final int cols;
  private final long bytes;
  private final List<EncodedRow> encoded = new ArrayList<>();

  private record EncodedRow(WeightSource source, ByteBuffer bytes) {}

  EncodedWeight(String name, List<WeightSource> parts) {
    this.name = name;
    this.cols = parts.get(0).cols();
    long total = 0;
    for (WeightSource part : parts) {
      int rowBytes = Math.toIntExact(part.format().rowBytes(cols));
      for (int row = 0; row < part.rows(); row++) {
        ByteBuffer bytes = ByteBuffer.allocate(rowBytes);
        part.readRows(row, 1, bytes);
        encoded.add(new EncodedRow(part, bytes));
        total += rowBytes;
      }
    }
    this.rows = encoded.size();
    this.bytes = total;
  }

  @Override
  public void decodeRow(int row, float[] dst, int dstOffset) {
    if (row < 0 || row >= rows) {
      throw new KernelException("weight " + name, "row", "0.." + (rows - 1), row);
    }
    EncodedRow from = encoded.get(row);
    from.source().format().codec().decode(from.bytes(), 0, dst, dstOffset, cols);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }

  @Override
  public long bytes() {
    return bytes;
  }
}
