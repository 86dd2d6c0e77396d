package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.List;

/** Twin of gemm_dense_*_sm90.cu: products with dense weights on Hopper, any number of rows. */
final class DenseGemm {
  private static final String OPERATOR = "dense gemm";
  private static final int THREADS = 384;
  private static final int STEP = 64;
  private static final int MAX_STAGES = 12;
  private static final int SHARED_BYTES = 220 << 10;

  /** From so many rows on two blocks share their activations. */
  private static final int PAIR_ROWS = 64;

  /** {rows of a tile, tiles for one reading of the weights}. */
  private static final int[][] ENTRIES = {{8, 1}, {16, 1}, {32, 1}, {64, 1}, {128, 1}, {128, 2}};

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("x")
          .out("y")
          .i32("epilogue")
          .i32("columns")
          .i32("groups")
          .i32("panels")
          .i32("rows")
          .i32("tiles")
          .i32("stages")
          .build();

  /** What becomes of a product, in the order of the kernel's enum. */
  enum Epilogue {
    STORE,
    ADD,
    SWIGLU,
    FLOATS
  }

  private DenseGemm() {}

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (TwoByteFloat type : TwoByteFloat.values()) {
      for (int[] entry : ENTRIES) {
        specs.add(spec(type, entry[0], entry[1]));
      }
    }
    return specs;
  }

  private static KernelSpec spec(TwoByteFloat type, int tileRows, int together) {
    return SHAPE.withEntry(
        type == TwoByteFloat.F16 ? "gemm_dense_sm90" : "gemm_dense_bf16_sm90",
        "gemm_dense_%s_r%dx%d".formatted(type.id(), tileRows, together));
  }

  /** Tiles that share one reading of the weights; no more than there are. */
  static int together(int tileRows, int tiles) {
    return tileRows == PrefillGemm.TILE_ROWS && tiles > 1 ? 2 : 1;
  }

  /**
   * Blocks of threads: no more than there is work for.
   *
   * @param tileGroups readings of the weights
   */
  static int blocks(int tileRows, int panels, int tileGroups, int multiprocessors) {
    int together = tileRows < PAIR_ROWS ? 1 : 2;
    long jobs = ((long) panels - 1 + together) / together * tileGroups;
    return together * (int) Math.min(jobs, Math.max(1, multiprocessors / together));
  }

  /**
   * Queues a product of {@code rows} rows.
   *
   * @param y address of activations tiled as x, or of fp32 rows for {@link Epilogue#FLOATS}
   */
  static void launch(
      CudaStream stream, Epilogue epilogue, long y, TiledActivations x, DenseMatrix w, int rows) {
    Arguments.inRange(OPERATOR, "rows", 1, x.rows(), rows);
    Arguments.same(OPERATOR, "columns of x", w.cols(), x.cols());
    Arguments.same(OPERATOR, "type of x", w.type(), x.type());
    Arguments.aligned(OPERATOR, "y", y, epilogue == Epilogue.FLOATS ? 16 : 128);
    int tiles = (rows - 1) / x.tileRows() + 1;
    int together = together(x.tileRows(), tiles);
    int panels = DenseMatrix.panels(w.rows());
    int tileGroups = (tiles - 1) / together + 1;
    int stageBytes = (DenseMatrix.PANEL + together * x.tileRows()) * STEP * Short.BYTES;
    int stages = Math.min(MAX_STAGES, SHARED_BYTES / stageBytes);
    int multiprocessors = stream.device().properties().multiprocessors();
    stream.launch(
        spec(x.type(), x.tileRows(), together),
        LaunchGeometry.of(blocks(x.tileRows(), panels, tileGroups, multiprocessors), THREADS)
            .withShared(stages * stageBytes)
            .overlapping(),
        w.address(),
        x.address(),
        y,
        epilogue.ordinal(),
        w.rows(),
        DenseMatrix.paddedCols(w.cols()) / DenseMatrix.PANEL,
        panels,
        rows,
        tiles,
        stages);
  }
}
