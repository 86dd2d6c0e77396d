package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/**
 * A tensor of a GGUF file. A vector is one row.
 *
 * @param offset first byte in the file
 */
record GgufTensor(FileBytes file, String name, QuantFormat format, int rows, int cols, long offset)
    implements WeightSource {

  long bytes() {
    return rows * format.rowBytes(cols);
  }

  /** For messages: outputs by inputs, or the length of a vector. */
  String shape() {
    return "[" + rows + ", " + cols + "]";
  }

  @Override
  public void readRows(int firstRow, int numRows, ByteBuffer dst) {
    if (firstRow < 0 || numRows < 0 || firstRow > rows - numRows) {
      throw new IndexOutOfBoundsException(
          "tensor %s: rows [%d, +%d) of %d".formatted(name, firstRow, numRows, rows));
    }
    long rowBytes = format.rowBytes(cols);
    long bytes = numRows * rowBytes;
    if (bytes > dst.remaining()) {
      throw new IllegalArgumentException(
          "tensor %s: %d rows are %d bytes, the buffer has room for %d"
              .formatted(name, numRows, bytes, dst.remaining()));
    }
    int limit = dst.limit();
    dst.limit(dst.position() + (int) bytes);
    try {
      file.read(offset + firstRow * rowBytes, dst);
    } finally {
      dst.limit(limit);
    }
  }
}
