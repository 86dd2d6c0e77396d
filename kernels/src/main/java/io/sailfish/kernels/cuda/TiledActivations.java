package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;

/**
 * Activations on the card as the products want them: tiles of {@code tileRows} rows, each {@code
 * [paddedCols/8][tileRows][8]}, tile after tile. A run of columns of a tile is one run of bytes and
 * already a core-matrix operand. Columns are padded to a multiple of 128 and the padding is zero.
 *
 * @param type element type
 * @param tileRows rows of a tile: 8, 16, 32 or 64; 128 for {@link PrefillGemm}
 * @param tiles number of tiles
 * @param cols columns in use
 * @param address device address of the first element
 */
public record TiledActivations(TwoByteFloat type, int tileRows, int tiles, int cols, long address) {
  private static final String OPERATOR = "activations";
  private static final int COLUMN_STEP = 128;
  private static final int ALIGNMENT = 128;

  public TiledActivations {
    if (tileRows < 8 || tileRows > PrefillGemm.TILE_ROWS || Integer.bitCount(tileRows) != 1) {
      throw new KernelException(OPERATOR, "tileRows", "8, 16, 32, 64 or 128", tileRows);
    }
    Arguments.atLeast(OPERATOR, "tiles", 1, tiles);
    Arguments.atLeast(OPERATOR, "cols", 1, cols);
    Arguments.aligned(OPERATOR, "address", address, ALIGNMENT);
  }

  /** The tile that serves {@code rows} rows in one go, 64 for more. */
  public static int tileRowsFor(int rows) {
    return rows <= 8 ? 8 : rows <= 16 ? 16 : rows <= 32 ? 32 : 64;
  }

  /** Bytes of such activations. */
  public static long bytes(int tileRows, int tiles, int cols) {
    return (long) tiles * tileRows * paddedCols(cols) * Short.BYTES;
  }

  public long bytes() {
    return bytes(tileRows, tiles, cols);
  }

  /** Rows that fit. */
  public int rows() {
    return Math.multiplyExact(tileRows, tiles);
  }

  public int paddedCols() {
    return paddedCols(cols);
  }

  private static int paddedCols(int cols) {
    return (cols + COLUMN_STEP - 1) / COLUMN_STEP * COLUMN_STEP;
  }

  /** One tile by itself. */
  TiledActivations tile(int tile) {
    return new TiledActivations(type, tileRows, 1, cols, address + tile * bytes(tileRows, 1, cols));
  }

  /** Element index of (row, column) from {@link #address()} on. */
  public long index(int row, int col) {
    int tile = row / tileRows;
    long inTile = ((long) (col >> 3) * tileRows + row % tileRows) * 8 + (col & 7);
    return (long) tile * tileRows * paddedCols() + inTile;
  }
}
