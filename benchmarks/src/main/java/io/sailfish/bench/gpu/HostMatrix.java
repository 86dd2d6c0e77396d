package io.sailfish.bench.gpu;

import io.sailfish.kernels.cuda.TiledActivations;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

/** Row-major two-byte floats on the host, {@code [rows][cols]}. */
final class HostMatrix {
  final TwoByteFloat type;
  final int rows;
  final int cols;
  private final short[][] bits;

  HostMatrix(TwoByteFloat type, int rows, int cols) {
    this.type = type;
    this.rows = rows;
    this.cols = cols;
    bits = new short[rows][cols];
  }

  /** Values of mean 0, variance 1, without a far tail. */
  static HostMatrix random(TwoByteFloat type, int rows, int cols, long seed) {
    HostMatrix matrix = new HostMatrix(type, rows, cols);
    Random random = new Random(seed);
    for (int row = 0; row < rows; row++) {
      for (int col = 0; col < cols; col++) {
        float sum = random.nextFloat() + random.nextFloat() + random.nextFloat();
        matrix.bits[row][col] = type.encode((sum - 1.5f) * 2f);
      }
    }
    return matrix;
  }

  float value(int row, int col) {
    return type.decode(bits[row][col]);
  }

  short bits(int row, int col) {
    return bits[row][col];
  }

  void set(int row, int col, float value) {
    bits[row][col] = type.encode(value);
  }

  boolean isFinite(int row) {
    for (int col = 0; col < cols; col++) {
      if (!Float.isFinite(value(row, col))) {
        return false;
      }
    }
    return true;
  }

  double[] rowValues(int row) {
    double[] values = new double[cols];
    for (int col = 0; col < cols; col++) {
      values[col] = value(row, col);
    }
    return values;
  }

  /**
   * The first {@code rows} rows as the card wants them. Rows of the last tile beyond them hold
   * {@code neighbour}: results must not depend on it. Padding columns are zero.
   */
  void tile(TiledActivations shape, int rows, short neighbour, ByteBuffer dst) {
    dst.order(ByteOrder.nativeOrder());
    for (int row = 0; row < shape.rows(); row++) {
      for (int col = 0; col < shape.paddedCols(); col++) {
        short value = col >= cols ? 0 : row < rows ? bits[row][col] : neighbour;
        dst.putShort(Math.toIntExact(2 * shape.index(row, col)), value);
      }
    }
  }

  /** Reads the rows back. */
  static HostMatrix untile(TiledActivations shape, int rows, int cols, ByteBuffer src) {
    HostMatrix matrix = new HostMatrix(shape.type(), rows, cols);
    src.order(ByteOrder.nativeOrder());
    for (int row = 0; row < rows; row++) {
      for (int col = 0; col < cols; col++) {
        matrix.bits[row][col] = src.getShort(Math.toIntExact(2 * shape.index(row, col)));
      }
    }
    return matrix;
  }

  HostMatrix firstColumns(int count) {
    HostMatrix part = new HostMatrix(type, rows, count);
    for (int row = 0; row < rows; row++) {
      System.arraycopy(bits[row], 0, part.bits[row], 0, count);
    }
    return part;
  }

  /** Elements whose bits differ from those of the other matrix, over this one's rows. */
  long differingValues(HostMatrix other) {
    long differing = 0;
    for (int row = 0; row < rows; row++) {
      for (int col = 0; col < cols; col++) {
        if (bits[row][col] != other.bits[row][col]) {
          differing++;
        }
      }
    }
    return differing;
  }
}
