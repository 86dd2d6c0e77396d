package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Twin of gemm_*_decode_sm90.cu: products of one tile of up to 64 rows on sm_90. All blocks of a
 * launch wait for one another, so no two of these may run side by side on a card: one stream.
 */
final class DecodeGemm {
  private static final int PAIR_TABLE_BYTES = 32 << 10;

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("tables")
          .in("x")
          .in("partials")
          .out("y0")
          .out("y1")
          .out("y2")
          .i32("epilogue")
          .i32("cut0")
          .i32("cut1")
          .i32("columns")
          .i32("groups")
          .i32("panels")
          .i32("slices")
          .i32("runs")
          .i32("stages")
          .i32("prefetch")
          .i32("zeroKind")
          .i32("scaleBf16")
          .i32("numTables")
          .build();

  private DecodeGemm() {}

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (PackedCode code : PackedCode.values()) {
      for (TwoByteFloat type : TwoByteFloat.values()) {
        for (int scaleRows = 1; scaleRows <= 4; scaleRows *= 2) {
          for (boolean zeros : new boolean[] {false, true}) {
            if (isBuilt(code, type, scaleRows, zeros)) {
              for (int rows = 8; rows <= 64; rows *= 2) {
                specs.add(spec(code, type, scaleRows, zeros, rows));
              }
            }
          }
        }
      }
    }
    return specs;
  }

  /**
   * The kinds whose entries exist, one for each tile; a build of every combination would take
   * minutes. What is missing goes to {@link PortableGemm}.
   */
  private static boolean isBuilt(PackedCode code, TwoByteFloat type, int scaleRows, boolean zeros) {
    boolean half = type == TwoByteFloat.F16;
    return switch (code) {
      case W4 -> half ? !(scaleRows == 2 && zeros) : scaleRows == 1;
      case LUT4 -> !zeros && (scaleRows == 1 || half && scaleRows == 4);
      case LUT3, LUT2 -> zeros ? half && scaleRows == 1 : scaleRows == 1 || half && scaleRows == 4;
    };
  }

  /** Whether there are entries for such a weight; then there is one for every tile. */
  static boolean supports(PackedLayout layout, TwoByteFloat type, int tables) {
    return isBuilt(layout.code(), type, layout.scaleRowsPerBlock(), layout.hasZeros())
        && (layout.code() != PackedCode.LUT4 || tables == 1);
  }

  private static KernelSpec spec(
      PackedCode code, TwoByteFloat type, int scaleRows, boolean zeros, int rows) {
    String format = code.name().toLowerCase(Locale.ROOT);
    String ofType = type.name().toLowerCase(Locale.ROOT);
    String module =
        code == PackedCode.W4 && type == TwoByteFloat.BF16 ? "gemm_w4_bf16" : "gemm_" + format;
    return SHAPE.withEntry(
        module + "_decode_sm90",
        "gemm_%s_%s_g%d%s_r%d"
            .formatted(format, ofType, PackedLayout.BLOCK / scaleRows, zeros ? "_z" : "", rows));
  }

  private static DecodeGeometry geometry(CudaStream stream, PackedLayout layout) {
    return DecodeGeometry.of(
        layout.blocksPerPanel(), layout.panels(), stream.device().properties().multiprocessors());
  }

  /** Bytes that {@link #launch} wants as {@code partials}. */
  static long partialBytes(CudaStream stream, PackedLayout layout, int tileRows) {
    return geometry(stream, layout).partialBytes(layout.panels(), tileRows);
  }

  /**
   * Queues a product of one tile.
   *
   * @param partials address of a workspace whose bytes are all 0xff before its first use, and after
   *     every launch again; launches on one stream may share it
   */
  static void launch(
      CudaStream stream,
      GemmEpilogue epilogue,
      TiledActivations x,
      DeviceWeight weight,
      long partials) {
    PackedLayout layout = weight.layout();
    int rows = x.tileRows();
    DecodeGeometry cut = geometry(stream, layout);
    int shared =
        cut.sharedBytes(rows, layout.blockBytes(), layout.scaleRowsPerBlock())
            + (layout.code() == PackedCode.LUT4 ? PAIR_TABLE_BYTES : 0);
    stream.launch(
        spec(layout.code(), x.type(), layout.scaleRowsPerBlock(), layout.hasZeros(), rows),
        LaunchGeometry.of(cut.blocks(), DecodeGeometry.threads(rows))
            .withShared(shared)
            .overlapping(),
        weight.address(),
        weight.tablesAddress(),
        x.address(),
        partials,
        epilogue.address0(),
        epilogue.address1(),
        epilogue.address2(),
        epilogue.kind().ordinal(),
        epilogue.firstCut(),
        epilogue.secondCut(),
        layout.outputs(),
        layout.blocksPerPanel(),
        layout.panels(),
        cut.slices(),
        cut.runs(),
        cut.stages(rows, layout.blockBytes()),
        0,
        layout.zeroKind().ordinal(),
        layout.scaleType() == TwoByteFloat.BF16 ? 1 : 0,
        weight.tables());
  }
}
