package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.stream.IntStream;

/**
 * Activations on the card: fp16 or bf16 in the tiles of {@link TiledActivations}, whose height
 * depends on how many rows an operator worked on, or plain fp32 rows ({@code exact}).
 *
 * <p>Values that the host wrote to a tiled tensor stay on the host until an operator reads them:
 * only then is it known how they have to be tiled.
 */
final class CudaTensor implements Tensor {
  final String purpose;
  final boolean exact;
  private final TwoByteFloat type;
  private final int rows;
  private final int cols;
  private final DeviceBuffer buffer;

  /** Height of the tiles that hold the present contents; 0 while they are all zero. */
  private int tileRows;

  /** What the host wrote and no operator has read yet, row-major; null if nothing. */
  private float[] pending;

  private CudaTensor(String purpose, int rows, int cols, TwoByteFloat type, DeviceBuffer buffer) {
    this.purpose = purpose;
    this.rows = rows;
    this.cols = cols;
    this.type = type;
    exact = type == null;
    this.buffer = buffer;
  }

  static CudaTensor tiled(
      String purpose, int rows, int cols, TwoByteFloat type, DeviceBuffer buffer) {
    return new CudaTensor(purpose, rows, cols, type, buffer);
  }

  static CudaTensor exact(String purpose, int rows, int cols, DeviceBuffer buffer) {
    return new CudaTensor(purpose, rows, cols, null, buffer);
  }

  /** Bytes for any height of tiles. */
  static long bytes(int rows, int cols, boolean exact) {
    int tiles = (rows - 1) / PrefillGemm.TILE_ROWS + 1;
    return exact
        ? (long) rows * cols * Float.BYTES
        : TiledActivations.bytes(PrefillGemm.TILE_ROWS, tiles, cols);
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }

  long address() {
    return buffer.address();
  }

  /** The tensor as an operator writes it; what was there before is gone. */
  TiledActivations written(int tileRows) {
    pending = null;
    this.tileRows = tileRows;
    return view(tileRows);
  }

  /** The tensor as it is, in tiles of a height that an operator wants to read. */
  TiledActivations read(String operator, int wantedTileRows, CudaStream stream, Staging staging) {
    if (pending != null) {
      staging.upload(stream, tile(wantedTileRows), address());
      pending = null;
      tileRows = wantedTileRows;
    }
    if (tileRows != wantedTileRows && tileRows != 0) {
      throw new KernelException(
          operator, purpose, "rows in tiles of " + wantedTileRows, "tiles of " + tileRows);
    }
    return view(wantedTileRows);
  }

  /** The tensor in the tiles it has; in the tallest if it has none yet. */
  TiledActivations readAsIs(CudaStream stream, Staging staging) {
    int present = tileRows == 0 || pending != null ? PrefillGemm.TILE_ROWS : tileRows;
    return read("gatherRows", present, stream, staging);
  }

  private TiledActivations view(int tileRows) {
    return new TiledActivations(type, tileRows, (rows - 1) / tileRows + 1, cols, address());
  }

  /** Takes values from the host into a tiled tensor. */
  void write(float[] present, long offset, float[] src, int srcOffset, int count) {
    pending = present;
    System.arraycopy(src, srcOffset, pending, Math.toIntExact(offset), count);
  }

  float[] pending() {
    return pending;
  }

  private short[] tile(int tileRows) {
    TiledActivations shape = view(tileRows);
    short[] halves = new short[Math.toIntExact(shape.bytes() / Short.BYTES)];
    IntStream.range(0, rows)
        .parallel()
        .forEach(
            row -> {
              for (int col = 0; col < cols; col++) {
                halves[(int) shape.index(row, col)] = type.encode(pending[row * cols + col]);
              }
            });
    return halves;
  }

  /** Row-major values out of the tensor's bytes. */
  float[] untile(short[] halves) {
    float[] values = new float[Math.multiplyExact(rows, cols)];
    if (tileRows == 0) {
      return values;
    }
    TiledActivations shape = view(tileRows);
    for (int row = 0; row < rows; row++) {
      for (int col = 0; col < cols; col++) {
        values[row * cols + col] = type.decode(halves[(int) shape.index(row, col)]);
      }
    }
    return values;
  }
}
