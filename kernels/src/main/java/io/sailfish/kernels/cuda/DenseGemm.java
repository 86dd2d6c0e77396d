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
   * @param outputs of a block of threads: strips of 64
   * @param tileRows rows of a tile
   */
  record Entry(int outputs, int tileRows) {
    /** Inputs of a stage. */
    int step() {
      return outputs == HalfPanels.STRIP && tileRows < PrefillGemm.TILE_ROWS ? 128 : 64;
    }

    int threads() {
      return outputs / HalfPanels.STRIP * WARPGROUP + PRODUCERS;
    }

    int stageBytes() {
      return (outputs + tileRows) * step() * Short.BYTES;
    }

    int stages() {
      return Math.min(MAX_STAGES, SHARED_BYTES / stageBytes());
    }

    /** Pieces of work: a block's outputs with the rows of a tile; the last outputs may be fewer. */
    long jobs(int panels, int tiles) {
      return (((long) panels * HalfPanels.PANEL - 1) / outputs + 1) * tiles;
    }

    /** Blocks of threads: no more than there is work for. */
    int blocks(int panels, int tiles, int multiprocessors) {
      return (int) Math.min(jobs(panels, tiles), multiprocessors);
    }

    /**
     * Modelled cycles for one input, in 2048ths: as often as a multiprocessor has a job, what it
     * takes in at 64 bytes a cycle or multiplies at 2048 a cycle, whichever is longer. For the
     * layers of Llama 8B at 64 to 2048 rows and its head it takes the entry that was measured
     * fastest (DenseGeometryTest has the times).
     */
    long cost(int panels, int tiles, int multiprocessors) {
      long rounds = (jobs(panels, tiles) - 1) / multiprocessors + 1;
      return rounds * Math.max(64L * (outputs + tileRows), (long) outputs * tileRows);
    }
  }

  private static final List<Entry> ENTRIES =
      List.of(
          new Entry(64, 8),
          new Entry(64, 16),
          new Entry(64, 32),
          new Entry(64, 64),
          new Entry(64, 128),
          new Entry(128, 64),
          new Entry(128, 128),
          new Entry(256, 128));

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
        "gemm_dense_%s_o%d_r%d".formatted(type.id(), entry.outputs(), entry.tileRows()));
  }

  /** The entry with the least cost, of equals the one that reads least; no bit depends on it. */
  static Entry entry(int tileRows, int tiles, int panels, int multiprocessors) {
    return ENTRIES.stream()
        .filter(e -> e.tileRows() == tileRows)
        .min(
            Comparator.<Entry>comparingLong(e -> e.cost(panels, tiles, multiprocessors))
                .thenComparingInt(e -> -e.outputs()))
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
