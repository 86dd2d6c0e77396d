package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.List;

/**
 * Twins of the kernels that work row by row: embed.cu, rms_norm.cu, add_bias.cu, move_rows.cu.
 * Shapes have been checked by {@link CudaOps}; addresses and counts are checked here.
 */
final class RowKernels {
  private static final int PIECE = 8;
  private static final int ROW_THREADS = 128;
  private static final int NORM_THREADS = 512;
  private static final int NORM_ROWS = 8;
  private static final int BIAS_THREADS = 256;
  private static final int BIAS_ROWS = 8;
  private static final int BIAS_PIECES = BIAS_THREADS / BIAS_ROWS;
  private static final int COPY_THREADS = 256;
  private static final int COPY_BLOCKS = 8;

  private static final KernelSpec EMBED =
      KernelSpec.kernel("embed", "embed")
          .out("y")
          .in("table")
          .in("tokenIds")
          .i32("pieces")
          .i32("tileRows")
          .i32("vocabulary")
          .build();
  private static final KernelSpec NORM =
      KernelSpec.kernel("", "")
          .out("y")
          .in("x")
          .in("weight")
          .f32("eps")
          .i32("cols")
          .i32("rows")
          .i32("pieces")
          .i32("tileRows")
          .build();
  private static final KernelSpec ADD_BIAS =
      KernelSpec.kernel("", "")
          .out("y")
          .in("bias")
          .i32("cols")
          .i32("rows")
          .i32("pieces")
          .i32("tileRows")
          .build();
  private static final KernelSpec GATHER =
      KernelSpec.kernel("move_rows", "gather_rows")
          .out("y")
          .in("x")
          .in("rowIds")
          .i32("pieces")
          .i32("tileRowsY")
          .i32("tileRowsX")
          .build();
  private static final KernelSpec GATHER_COLS =
      KernelSpec.kernel("move_rows", "gather_cols")
          .out("y")
          .in("x")
          .in("order")
          .i32("cols")
          .i32("pieces")
          .i32("tileRows")
          .build();
  private static final KernelSpec KV_COPY =
      KernelSpec.kernel("move_rows", "kv_copy")
          .out("cache")
          .out("history")
          .i64("layerPieces")
          .i32("blockPieces")
          .i32("fromBlock")
          .i32("toBlock")
          .build();

  private RowKernels() {}

  /** Copies are the same for both types of activations. */
  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>(List.of(EMBED, GATHER, GATHER_COLS, KV_COPY));
    for (TwoByteFloat type : TwoByteFloat.values()) {
      specs.addAll(List.of(normSpec(type, false), normSpec(type, true), biasSpec(type)));
    }
    return specs;
  }

  private static KernelSpec normSpec(TwoByteFloat type, boolean prompt) {
    return NORM.withEntry("rms_norm", (prompt ? "rms_norm_rows_" : "rms_norm_") + type.id());
  }

  private static KernelSpec biasSpec(TwoByteFloat type) {
    return ADD_BIAS.withEntry("add_bias", "add_bias_" + type.id());
  }

  private static int pieces(TiledActivations rows) {
    return rows.paddedCols() / PIECE;
  }

  private static LaunchGeometry each(int blocks, int threads) {
    return LaunchGeometry.of(blocks, threads).overlapping();
  }

  static void embed(
      CudaStream stream, TiledActivations y, DenseMatrix table, long tokenIds, int rows) {
    Arguments.inRange("embed", "rows", 1, y.rows(), rows);
    Arguments.same("embed", "type of the table", y.type(), table.type());
    stream.launch(
        EMBED,
        each(rows, ROW_THREADS),
        y.address(),
        table.address(),
        tokenIds,
        pieces(y),
        y.tileRows(),
        table.rows());
  }

  /**
   * @param weight address of fp32 {@code [cols]}
   * @param prompt whether the rows are a prompt's: eight of them a block
   */
  static void norm(
      CudaStream stream,
      TiledActivations y,
      TiledActivations x,
      long weight,
      float eps,
      int rows,
      boolean prompt) {
    Arguments.inRange("rmsNorm", "rows", 1, x.rows(), rows);
    stream.launch(
        normSpec(x.type(), prompt),
        each(prompt ? (rows - 1) / NORM_ROWS + 1 : rows, NORM_THREADS),
        y.address(),
        x.address(),
        weight,
        eps,
        x.cols(),
        rows,
        pieces(x),
        x.tileRows());
  }

  /**
   * @param bias address of fp32 {@code [cols]}
   */
  static void addBias(CudaStream stream, TiledActivations y, long bias, int rows) {
    Arguments.inRange("addBias", "rows", 1, y.rows(), rows);
    LaunchGeometry geometry =
        LaunchGeometry.of(1, BIAS_THREADS)
            .withGrid((rows - 1) / BIAS_ROWS + 1, (pieces(y) - 1) / BIAS_PIECES + 1, 1)
            .overlapping();
    stream.launch(
        biasSpec(y.type()), geometry, y.address(), bias, y.cols(), rows, pieces(y), y.tileRows());
  }

  static void gather(
      CudaStream stream, TiledActivations y, TiledActivations x, long rowIds, int rows) {
    Arguments.inRange("gatherRows", "rows", 1, y.rows(), rows);
    stream.launch(
        GATHER,
        each(rows, ROW_THREADS),
        y.address(),
        x.address(),
        rowIds,
        pieces(x),
        y.tileRows(),
        x.tileRows());
  }

  /**
   * @param order address of as many column numbers as y has columns
   */
  static void gatherCols(
      CudaStream stream, TiledActivations y, TiledActivations x, long order, int rows) {
    Arguments.inRange("gatherCols", "rows", 1, y.rows(), rows);
    Arguments.same("gatherCols", "tile rows of y", x.tileRows(), y.tileRows());
    stream.launch(
        GATHER_COLS,
        each(rows, ROW_THREADS),
        y.address(),
        x.address(),
        order,
        y.cols(),
        pieces(y),
        y.tileRows());
  }

  static void kvCopy(CudaStream stream, CudaKvCache cache, int fromBlock, int toBlock) {
    long blockPieces = CudaKvCache.layerBlockBytes(cache.shape()) / 16;
    stream.launch(
        KV_COPY,
        LaunchGeometry.of(1, COPY_THREADS).withGrid(cache.layers(), COPY_BLOCKS, 1).overlapping(),
        cache.address(),
        cache.historyAddress(),
        cache.layerBytes() / 16,
        Math.toIntExact(blockPieces),
        fromBlock,
        toBlock);
  }
}
