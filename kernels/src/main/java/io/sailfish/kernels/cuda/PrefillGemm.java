package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Twin of gemm_prefill_sm90.cu and gemm_prefill_lut_sm90.cu: products of many rows on Hopper. A
 * row's result depends on that row alone, and is bit for bit the one that {@link DecodeGemm} gives
 * where it takes such weights.
 *
 * <p>Activations are tiled in blocks of {@value #TILE_ROWS} rows.
 */
final class PrefillGemm {
  /** Rows of a tile of x and y. */
  public static final int TILE_ROWS = 128;

  private static final String OPERATOR = "prefill gemm";
  private static final int COMPUTE_CAPABILITY = 90;
  private static final int THREADS = 384;
  private static final int X_STAGE_BYTES = TILE_ROWS * 128 * Short.BYTES;
  private static final int SUM_BYTES = TILE_ROWS * 128 * Float.BYTES;
  private static final int SHARED_BYTES = 231424;
  private static final int MAX_STAGES = 4;

  /** Longer launches gain nothing by starting early (measured: they lose 1 to 3 percent). */
  private static final int LONGEST_OVERLAP = 448;

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("tables")
          .in("x")
          .out("y0")
          .out("y1")
          .out("y2")
          .out("partials")
          .out("arrivals")
          .i32("epilogue")
          .i32("cut0")
          .i32("cut1")
          .i32("groups")
          .i32("panels")
          .i32("rowBlocks")
          .i32("partsLog")
          .i32("wholeRounds")
          .i32("splitTiles")
          .i32("piecesLog")
          .i32("byRows")
          .i32("stages")
          .i32("zeroKind")
          .i32("scaleBf16")
          .i32("scaleExponent")
          .i32("numTables")
          .build();

  /**
   * Memory that launches on one stream share.
   *
   * @param partials device address of at least {@link #partialBytes} bytes
   * @param arrivals device address of at least {@link #arrivalBytes} bytes, zero before the first
   *     launch
   */
  record Workspace(long partials, long arrivals) {
    public Workspace {
      Arguments.aligned(OPERATOR, "partials", partials, 128);
      Arguments.aligned(OPERATOR, "arrivals", arrivals, 128);
    }
  }

  private final CudaStream stream;
  private final Workspace workspace;

  public PrefillGemm(CudaStream stream, Workspace workspace) {
    this.stream = stream;
    this.workspace = workspace;
  }

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (TwoByteFloat type : TwoByteFloat.values()) {
      for (int group = 32; group <= 128; group *= 2) {
        for (PackedCode code : PackedCode.values()) {
          if (isBuilt(code, group)) {
            specs.add(spec(code, type, group, false));
            specs.add(spec(code, type, group, true));
          }
        }
      }
    }
    return specs;
  }

  /** Like the decode kernels, those with tables have no groups of 64. */
  private static boolean isBuilt(PackedCode code, int group) {
    return !code.hasTable() || group != 64;
  }

  /**
   * @param variant with integer codes: blocks hold second values; with tables: there is one for the
   *     whole matrix
   */
  private static KernelSpec spec(PackedCode code, TwoByteFloat type, int group, boolean variant) {
    String kind = code.hasTable() ? "one_" : "zeros_";
    return SHAPE.withEntry(
        code.hasTable() ? "gemm_prefill_lut_sm90" : "gemm_prefill_sm90",
        "gemm_prefill_%s_%s%s_g%d"
            .formatted(
                code.name().toLowerCase(Locale.ROOT),
                variant ? kind : "",
                type.name().toLowerCase(Locale.ROOT),
                group));
  }

  /** Whether these kernels multiply such weights on this card; the rest is {@link QuantGemm}'s. */
  boolean supports(PackedLayout layout, TwoByteFloat activations) {
    return stream.device().properties().computeCapability() == COMPUTE_CAPABILITY
        && isBuilt(layout.code(), 128 / layout.scaleRowsPerBlock())
        && !(layout.code().hasTable() && layout.hasZeros())
        && !DecodeGemm.roundsTooMuch(layout, activations);
  }

  /** Bytes of partial sums that a product of {@code rows} rows needs; 0 if it is not split. */
  public static long partialBytes(PackedLayout layout, int rows, int multiprocessors) {
    PrefillPlan plan = plan(layout, rows, multiprocessors);
    return plan.byRows() ? 0 : 2L * plan.splitTiles() * plan.parts() * SUM_BYTES;
  }

  /** Bytes of arrival counters for any product: less than one split tile a multiprocessor. */
  public static long arrivalBytes(int multiprocessors) {
    return (long) multiprocessors * 2 * Integer.BYTES;
  }

  /**
   * Queues a product of {@code rows} rows and what follows it. Rows of x beyond them in the last
   * tile are computed as well; what they hold does not matter.
   */
  public void launch(GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows) {
    PackedLayout layout = weight.layout();
    check(epilogue, x, weight, rows);
    int multiprocessors = stream.device().properties().multiprocessors();
    PrefillPlan plan = plan(layout, rows, multiprocessors);
    int stages = stages(layout, weight.tables());
    int shared = stages * stageBytes(layout) + SUM_BYTES + tableBytes(layout, weight.tables());
    LaunchGeometry geometry =
        LaunchGeometry.of(plan.blocks(multiprocessors), THREADS).withShared(shared);
    stream.launch(
        spec(
            layout.code(),
            x.type(),
            128 / layout.scaleRowsPerBlock(),
            layout.hasZeros() || weight.tables() == 1),
        plan.cost() < LONGEST_OVERLAP ? geometry.overlapping() : geometry,
        weight.address(),
        weight.tablesAddress(),
        x.address(),
        epilogue.address0(),
        epilogue.address1(),
        epilogue.address2(),
        workspace.partials(),
        workspace.arrivals(),
        epilogue.kind().ordinal(),
        epilogue.firstCut(),
        epilogue.secondCut(),
        layout.blocksPerPanel(),
        layout.panels(),
        rowBlocks(rows),
        plan.partsLog(),
        plan.wholeRounds(),
        plan.splitTiles(),
        plan.piecesLog(),
        plan.byRows() ? 1 : 0,
        stages,
        layout.zeroKind().ordinal(),
        layout.scaleType() == TwoByteFloat.BF16 ? 1 : 0,
        weight.scaleExponent(),
        weight.tables());
  }

  private void check(GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows) {
    PackedLayout layout = weight.layout();
    if (!supports(layout, x.type())) {
      throw new KernelException(
          OPERATOR,
          "product",
          "codes that it takes on sm_" + COMPUTE_CAPABILITY,
          "%s, %s activations on sm_%d"
              .formatted(layout, x.type(), stream.device().properties().computeCapability()));
    }
    Arguments.inRange(OPERATOR, "rows", 1, x.rows(), rows);
    Arguments.same(OPERATOR, "columns of x", layout.inputs(), x.cols());
    Arguments.same(OPERATOR, "tile rows of x", TILE_ROWS, x.tileRows());
    epilogue.check(layout.outputs(), x.type(), TILE_ROWS, rowBlocks(rows));
    checkSplit(epilogue, layout);
  }

  /** The last part takes the padded columns too: they have to fit its own padding. */
  static void checkSplit(GemmEpilogue epilogue, PackedLayout layout) {
    TiledActivations last = epilogue.y2() != null ? epilogue.y2() : epilogue.y1();
    if (epilogue.kind() == GemmEpilogue.Kind.STORE && last != null) {
      int first = epilogue.y2() != null ? epilogue.secondCut() : epilogue.firstCut();
      int columns = layout.paddedOutputs() - first;
      Arguments.same(
          OPERATOR,
          "padded columns of the last part",
          last.paddedCols(),
          (columns + 127) / 128 * 128);
    }
  }

  private static PrefillPlan plan(PackedLayout layout, int rows, int multiprocessors) {
    return PrefillPlan.of(
        layout.blocksPerPanel(), layout.panels(), rowBlocks(rows), multiprocessors);
  }

  private static int rowBlocks(int rows) {
    return (rows - 1) / TILE_ROWS + 1;
  }

  private static int stageBytes(PackedLayout layout) {
    return layout.blockBytes() + X_STAGE_BYTES;
  }

  static int stages(PackedLayout layout, int tables) {
    int room = SHARED_BYTES - SUM_BYTES - tableBytes(layout, tables);
    return Math.min(MAX_STAGES, room / stageBytes(layout));
  }

  /** All pairs of the values of a matrix's only table, a nibble for either, a copy a bank. */
  private static int tableBytes(PackedLayout layout, int tables) {
    return tables == 1 ? ((layout.code().codes() - 1) * 17 + 1) * 32 * Integer.BYTES : 0;
  }
}
