package io.sailfish.kernels.cpu;

/**
 * The inner loops of {@link VectorOps}, in vectors ({@link VectorMath}) and in plain Java ({@link
 * PlainMath}). Both give the same bits: each result is one fixed sequence of fp32 operations, and
 * sums across elements go through {@link #PARTIAL_SUMS} partial sums in a fixed order whatever the
 * width of a vector.
 *
 * <p>Matrices are array, offset and stride rather than objects: these calls last less than a
 * microsecond, and the compiler must see nothing but arrays.
 */
interface PanelMath {
  /** Element i is added to partial sum i % 16; they are added up as a binary tree. */
  int PARTIAL_SUMS = 16;

  /** One line for people: instruction set or why there is none. */
  String describe();

  /**
   * w[k · 32 + c] = weight of input k, column c of a piece.
   *
   * @param scales scratch, {@link PanelLayout#SCALE_FLOATS}
   */
  void decode(PanelPiece piece, float[] scales, Block w);

  /**
   * Goes on with the chain tile[r, c] = fma(x[r, k], w[k, c], tile[r, c]) over ascending k. {@code
   * cols} is a multiple of 16.
   */
  void multiply(Block tile, Block x, Block w, int rows, int cols, int inner);

  /**
   * {@link #multiply} for decoded panels: tile[r, c] of 32 columns, its rows up to a multiple of
   * four of no meaning; x: {@link RowBlocks}, {@code stride} from one block of 32 rows to the next;
   * w: {@code [inner][32]}.
   *
   * @param ahead weights to fetch meanwhile, in {@link #groups} turns
   */
  void multiplyGroups(float[] tile, Block x, Block w, int rows, int inner, Ahead ahead);

  /** Turns of {@link Ahead#some} in a product of so many rows. */
  int groups(int rows);

  /** Whether one row's product takes its weights as they are packed, without scratch for them. */
  boolean fuses(PanelLayout layout);

  /**
   * The same for one row, whose factors stand one behind the other, and a piece of a panel.
   *
   * @param scales scratch, {@link PanelLayout#SCALE_FLOATS}
   * @param w scratch for the weights, unless {@link #fuses}
   * @param ahead weights to fetch meanwhile, in a turn for each block, or in two
   */
  void multiplyRow(float[] tile, Block x, PanelPiece piece, float[] scales, Block w, Ahead ahead);

  /** Sum of squares of {@code count} floats, in {@link #PARTIAL_SUMS} chains. */
  float sumOfSquares(float[] x, int at, int count);

  /** y[i] = (x[i] · scale) · weight[i]. */
  void scale(float[] y, int yAt, float[] x, int xAt, float[] weight, float scale, int count);

  /** y[yAt + i] += x[xAt + i]. */
  void add(float[] y, int yAt, float[] x, int xAt, int count);

  /** gate[i] = silu(gate[i]) · up[i] for a multiple of 16. */
  void siluMultiply(float[] gate, float[] up, int count);

  /**
   * x[i] = exp(x[i] - largest of the first {@code count}), zero from {@code count} up to the next
   * multiple of 16; returns the sum in {@link #PARTIAL_SUMS} chains.
   */
  float softmaxNumerators(float[] x, int at, int count);

  /** A window on a row-major matrix; moved, not made anew, in the innermost loops. */
  final class Block {
    float[] data;
    int at;
    int stride;

    Block on(float[] array, int offset, int rowStride) {
      data = array;
      at = offset;
      stride = rowStride;
      return this;
    }
  }
}
