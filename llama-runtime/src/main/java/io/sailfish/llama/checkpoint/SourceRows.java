package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import java.nio.ByteBuffer;

/** The rules of {@link WeightSource#readRows}. */
final class SourceRows {
  private SourceRows() {}

  static void check(WeightSource source, int firstRow, int numRows, ByteBuffer dst) {
    if (firstRow < 0 || numRows < 0 || firstRow > source.rows() - numRows) {
      throw new IndexOutOfBoundsException(
          "tensor %s: rows [%d, +%d) of %d"
              .formatted(source.name(), firstRow, numRows, source.rows()));
    }
    long bytes = numRows * source.format().rowBytes(source.cols());
    if (bytes > dst.remaining()) {
      throw new IllegalArgumentException(
          "tensor %s: %d rows are %d bytes, the buffer has room for %d"
              .formatted(source.name(), numRows, bytes, dst.remaining()));
    }
  }
}
