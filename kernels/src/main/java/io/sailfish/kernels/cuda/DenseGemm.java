package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.HalfPanels;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Twin of gemm_dense_*_sm90.cu: products with dense weights on Hopper, any number of rows. */
final class DenseGemm {
  private static final String OPERATOR = "dense gemm";
  private static final int WARPGROUP = 128;
  private static final int PRODUCERS = 64;
  private static final int MAX_STAGES = 12;
  private static final int SHARED_BYTES = 224 << 10;

  /**
   * One entry of the device code.
   *
   * @param outputs of a block of threads, one strip or two
   * @param tileRows rows of a tile
   * @param together tiles for one reading of the weights
   */
  record Entry(int outputs, int tileRows, int together) {
    /** Inputs of a stage. */
    int step() {
      return outputs == HalfPanels.STRIP && tileRows < PAIR_ROWS ? 128 : 64;
    }

    /** Blocks that share their activations. */
    int members() {
      return tileRows < PAIR_ROWS ? 1 : 2;
    }

    int threads() {
      return outputs / HalfPanels.STRIP * WARPGROUP + PRODUCERS;
    }

    int stageBytes() {
      return (outputs + together * tileRows) * step() * Short.BYTES;
    }

    int stages() {
      return Math.min(MAX_STAGES, SHARED_BYTES / stageBytes());
    }

    /** Pieces of work: outputs of all blocks of a cluster with the rows of {@code together}. */
    long jobs(int panels, int tiles) {
      long units = (long) panels * HalfPanels.PANEL / outputs;
      return ((units - 1) / members() + 1) * ((tiles - 1) / together + 1);
    }

    /** Blocks of threads: no more than there is work for. */
    int blocks(int panels, int tiles, int multiprocessors) {
      int clusters = Math.max(1, multiprocessors / members());
      return members() * (int) Math.min(jobs(panels, tiles), clusters);
    }

    /**
     * Modelled cycles for one input, in 2048ths: as often as a multiprocessor has a job, what it
     * takes in at 64 bytes a cycle or multiplies at 2048 a cycle; and not less than level 2 needs
     * to give it, at 32 bytes a cycle for each multiprocessor.
     */
    long cost(int panels, int tiles, int multiprocessors) {
      long jobs = jobs(panels, tiles);
      int clusters = Math.max(1, multiprocessors / members());
      int rows = together * tileRows;
      long job = Math.max(64L * (outputs + rows), (long) outputs * rows);
      long given = 128 * jobs * (members() * outputs + rows) / multiprocessors;
      return Math.max(((jobs - 1) / clusters + 1) * job, given);
    }
  }

  /** From so many rows on two blocks share their activations. */
  private static final int PAIR_ROWS = PrefillGemm.TILE_ROWS;

  private static final List<Entry> ENTRIES =
      List.of(
          new Entry(64, 8, 1),
          new Entry(64, 16, 1),
          new Entry(64, 32, 1),
          new Entry(64, 64, 1),
          new Entry(64, 128, 1),
          new Entry(128, 64, 1),
          new Entry(128, 128, 1),
          new Entry(128, 128, 2));

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("x")
          .out("y")
          .i32("epilogue")
          .i32("columns")
          .i32("groups")
          .i32("strips")
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
      for (Entry entry : ENTRIES) {
        specs.add(spec(type, entry));
      }
    }
    return specs;
  }

  private static KernelSpec spec(TwoByteFloat type, Entry entry) {
    return SHAPE.withEntry(
        type == TwoByteFloat.F16 ? "gemm_dense_sm90" : "gemm_dense_bf16_sm90",
        "gemm_dense_%s_o%d_r%dx%d"
            .formatted(type.id(), entry.outputs(), entry.tileRows(), entry.together()));
  }

  /** The entry with the least cost, of equals the one that reads least; no bit depends on it. */
  static Entry entry(int tileRows, int tiles, int panels, int multiprocessors) {
    return ENTRIES.stream()
        .filter(e -> e.tileRows() == tileRows && e.together() <= tiles)
        .min(
            Comparator.<Entry>comparingLong(e -> e.cost(panels, tiles, multiprocessors))
                .thenComparingInt(e -> -e.outputs() * e.together()))
        .orElseThrow(() -> new IllegalArgumentException("no tiles of " + tileRows + " rows"));
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
    int panels = DenseMatrix.panels(w.rows());
    int multiprocessors = stream.device().properties().multiprocessors();
    Entry entry = entry(x.tileRows(), tiles, panels, multiprocessors);
    stream.launch(
        spec(x.type(), entry),
        LaunchGeometry.of(entry.blocks(panels, tiles, multiprocessors), entry.threads())
            .withShared(entry.stages() * entry.stageBytes())
            .overlapping(),
        w.address(),
        x.address(),
        y,
        epilogue.ordinal(),
        w.rows(),
        DenseMatrix.paddedCols(w.cols()) / DenseMatrix.PANEL,
        panels * (HalfPanels.PANEL / HalfPanels.STRIP),
        rows,
        tiles,
        entry.stages());
  }
}
