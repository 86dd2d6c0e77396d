package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;

/**
 * What becomes of a product before it is written.
 *
 * @param kind the kernels' number for it
 * @param y0 where results go
 * @param y1 second destination or addend; null if there is none
 * @param y2 third destination; null if there is none
 */
public record GemmEpilogue(
    Kind kind, TiledActivations y0, TiledActivations y1, TiledActivations y2) {
  /** In the order of the kernels' enum Epilogue. */
  public enum Kind {
    /** y0 | y1 | y2 = the product's columns in order. */
    STORE,
    /** y0 = y1 + product. */
    ADD,
    /** y0[j] = silu(product[2j]) · product[2j + 1]. */
    SWIGLU
  }

  private static final String OPERATOR = "gemm";

  /** y = product. */
  public static GemmEpilogue store(TiledActivations y) {
    return new GemmEpilogue(Kind.STORE, y, null, null);
  }

  /** The product's columns go to q, then k, then v. */
  public static GemmEpilogue split(TiledActivations q, TiledActivations k, TiledActivations v) {
    return new GemmEpilogue(Kind.STORE, q, k, v);
  }

  /** y = addend + product; both may be the same activations. */
  public static GemmEpilogue add(TiledActivations y, TiledActivations addend) {
    return new GemmEpilogue(Kind.ADD, y, addend, null);
  }

  /** y = silu(gate) · up of interleaved gate and up columns. */
  public static GemmEpilogue swiGlu(TiledActivations y) {
    return new GemmEpilogue(Kind.SWIGLU, y, null, null);
  }

  /** Refuses destinations that do not fit a product of these columns. */
  void check(int outputs, TwoByteFloat type, int tileRows, int tiles) {
    int columns = 0;
    for (TiledActivations part : new TiledActivations[] {y0, y1, y2}) {
      if (part != null) {
        Arguments.same(OPERATOR, "type of y", type, part.type());
        Arguments.same(OPERATOR, "tile rows of y", tileRows, part.tileRows());
        Arguments.atLeast(OPERATOR, "tiles of y", tiles, part.tiles());
        columns += part.cols();
      }
    }
    switch (kind) {
      case STORE -> {
        Arguments.same(OPERATOR, "columns of y", outputs, columns);
        if (y1 != null && (y0.cols() % 8 != 0 || y1.cols() % 8 != 0)) {
          throw new KernelException(
              OPERATOR, "split", "parts of multiples of 8 columns", y0.cols() + ", " + y1.cols());
        }
      }
      case ADD -> {
        Arguments.same(OPERATOR, "columns of y", outputs, y0.cols());
        Arguments.same(OPERATOR, "columns of the addend", outputs, y1.cols());
      }
      case SWIGLU -> Arguments.same(OPERATOR, "columns of y", outputs, 2 * y0.cols());
    }
  }

  /** The part of one tile of rows. */
  GemmEpilogue tile(int tile) {
    return new GemmEpilogue(
        kind, y0.tile(tile), y1 == null ? null : y1.tile(tile), y2 == null ? null : y2.tile(tile));
  }

  /** First product column of the second destination, or beyond all columns. */
  int firstCut() {
    return kind == Kind.STORE && y1 != null ? y0.cols() : Integer.MAX_VALUE;
  }

  int secondCut() {
    return kind == Kind.STORE && y2 != null ? y0.cols() + y1.cols() : Integer.MAX_VALUE;
  }

  long address0() {
    return y0.address();
  }

  long address1() {
    return y1 == null ? 0 : y1.address();
  }

  long address2() {
    return y2 == null ? 0 : y2.address();
  }
}
