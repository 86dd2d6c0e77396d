package io.sailfish.kernels;

import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.Random;

/** Random weights in one format, as a checkpoint would hold them. */
public final class EncodedSource implements WeightSource {
  private final String name;
  private final QuantFormat format;
  private final int rows;
  private final int cols;
  private final byte[] bytes;

  public EncodedSource(String name, QuantFormat format, int rows, int cols, long seed) {
    this.name = name;
    this.format = format;
    this.rows = rows;
    this.cols = cols;
    int rowBytes = Math.toIntExact(format.rowBytes(cols));
    this.bytes = new byte[rows * rowBytes];
    Random random = new Random(seed);
    float[] row = new float[cols];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        row[c] = (float) (random.nextGaussian() * 0.05);
      }
      format.codec().encode(row, 0, cols, ByteBuffer.wrap(bytes), r * rowBytes);
    }
  }

  /** Overwrites encoded bytes, to make damaged or special weights. */
  public byte[] bytes() {
    return bytes;
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
    return cols;
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    int rowBytes = Math.toIntExact(format.rowBytes(cols));
    dst.put(bytes, firstRow * rowBytes, numRows * rowBytes);
  }
}
