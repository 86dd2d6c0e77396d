package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Twin of gemm_*_decode_sm90.cu: products of one tile of up to 64 rows on sm_90. K is cut into the
 * parts of {@link PrefillPlan#parts}, so that a row has the same bits here and in {@link
 * PrefillGemm}.
 */
final class DecodeGemm {
  private static final int PAIR_TABLE_BYTES = 32 << 10;

  /** Up to so many rows the values of all pairs of codes fit into shared memory. */
  private static final int PLACED_ROWS = 32;

  /** Up to so many rows a block of threads leaves room for another. */
  private static final int BESIDE_ROWS = 16;

  /** The same for kinds whose fragments take few registers. */
  private static final int MORE_BESIDE_ROWS = 32;

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("tables")
          .in("x")
          .out("y0")
          .out("y1")
          .out("y2")
          .i32("epilogue")
          .i32("cut0")
          .i32("cut1")
          .i32("columns")
          .i32("groups")
          .i32("strips")
          .i32("partsLog")
          .i32("stages")
          .i32("xSlots")
          .i32("zeroKind")
          .i32("scaleBf16")
          .i32("scaleExponent")
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
                if (code != PackedCode.LUT4 || rows > PLACED_ROWS) {
                  specs.add(spec(code, type, scaleRows, zeros, rows, false));
                }
                if (code != PackedCode.W4 && rows <= PLACED_ROWS) {
                  specs.add(spec(code, type, scaleRows, zeros, rows, true));
                }
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
    return switch (code) {
      case W4 -> true;
      case LUT4, LUT3, LUT2 -> type == TwoByteFloat.F16 && !zeros && scaleRows != 2;
    };
  }

  /** Whether there are entries for such a weight; then there is one for every tile. */
  static boolean supports(PackedLayout layout, TwoByteFloat type, int tables) {
    return isBuilt(layout.code(), type, layout.scaleRowsPerBlock(), layout.hasZeros())
        && (layout.code() != PackedCode.LUT4 || tables == 1)
        && !roundsTooMuch(layout, type);
  }

  /**
   * Weights are rounded here once they are scaled, in {@link PortableGemm} never. With bf16
   * activations scales in fp16 are rounded to bf16 before that, which adds a quarter to the error;
   * where a scale is a whole channel's, that does not average out, and offsets, of up to eight
   * steps between codes, lose too much. Over few inputs no rounding averages out, while the
   * portable kernel, a block for each of its lanes, is as fast.
   */
  static boolean roundsTooMuch(PackedLayout layout, TwoByteFloat activations) {
    boolean rounds = activations == TwoByteFloat.BF16 && layout.scaleType() == TwoByteFloat.F16;
    boolean channels = layout.group() > PackedLayout.BLOCK;
    return layout.blocksPerPanel() <= PortableGemm.LANES
        || rounds && (channels || layout.zeroKind() == ZeroKind.OFFSET);
  }

  private static KernelSpec spec(
      PackedCode code, TwoByteFloat type, int scaleRows, boolean zeros, int rows, boolean placed) {
    String format = code.name().toLowerCase(Locale.ROOT);
    String ofType = type.name().toLowerCase(Locale.ROOT);
    String module =
        code == PackedCode.W4 && type == TwoByteFloat.BF16 ? "gemm_w4_bf16" : "gemm_" + format;
    return SHAPE.withEntry(
        module + "_decode_sm90",
        "gemm_%s_%s_g%d%s%s_r%d"
            .formatted(
                format,
                ofType,
                PackedLayout.BLOCK / scaleRows,
                zeros ? "_z" : "",
                placed ? "_one" : "",
                rows));
  }

  /** Queues a product of one tile. */
  static void launch(
      CudaStream stream, GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight) {
    PackedLayout layout = weight.layout();
    int rows = x.tileRows();
    int strips = 2 * layout.panels();
    int multiprocessors = stream.device().properties().multiprocessors();
    int parts = PrefillPlan.parts(layout.blocksPerPanel(), layout.panels());
    boolean placed = isPlaced(layout, weight.tables(), rows, parts);
    boolean beside = isBeside(layout, placed, rows);
    boolean bothHalves = beside && DecodeGeometry.takesBothHalves(strips, multiprocessors);
    int turn = bothHalves ? DecodeGeometry.SMALLER_TURN : stream.nextTurn();
    DecodeGeometry geometry = geometry(layout, rows, parts, placed, beside, turn);
    int everywhere = DecodeGeometry.everywhere(multiprocessors);
    int blocks =
        !beside
            ? DecodeGeometry.blocks(strips, multiprocessors)
            : bothHalves ? 2 * everywhere : everywhere;
    stream.launch(
        spec(layout.code(), x.type(), layout.scaleRowsPerBlock(), layout.hasZeros(), rows, placed),
        LaunchGeometry.of(blocks, DecodeGeometry.THREADS)
            .withShared(geometry.sharedBytes())
            .overlapping(),
        weight.address(),
        weight.tablesAddress(),
        x.address(),
        epilogue.address0(),
        epilogue.address1(),
        epilogue.address2(),
        epilogue.kind().ordinal(),
        epilogue.firstCut(),
        epilogue.secondCut(),
        layout.outputs(),
        layout.blocksPerPanel(),
        strips,
        Integer.numberOfTrailingZeros(parts),
        geometry.stages(),
        geometry.xSlots(),
        layout.zeroKind().ordinal(),
        layout.scaleType() == TwoByteFloat.BF16 ? 1 : 0,
        weight.scaleExponent(),
        weight.tables());
    if (beside) {
      stream.tookTurn(turn);
    }
  }

  /**
   * Whether the one table of a matrix lies in shared memory, as values of all pairs of codes. With
   * K in four parts each warpgroup has activations of its own, and for 32 rows two slots for them:
   * 3-bit pairs then gain nothing, and where a block has several scales a slot goes back only once
   * the next is there, so that such a product would wait for itself for ever.
   */
  static boolean isPlaced(PackedLayout layout, int tables, int rows, int parts) {
    PackedCode code = layout.code();
    boolean twoSlots = rows == 32 && parts == 4 && code != PackedCode.LUT4;
    boolean tooFew = code == PackedCode.LUT3 || layout.scaleRowsPerBlock() > 1;
    return code.hasTable() && tables == 1 && rows <= PLACED_ROWS && !(twoSlots && tooFew);
  }

  /** Whether a block of threads is content with half a multiprocessor. */
  static boolean isBeside(PackedLayout layout, boolean placed, int rows) {
    PackedCode code = layout.code();
    if (placed) {
      return code != PackedCode.LUT4; // the table of all pairs of 4-bit codes takes more than that
    }
    boolean small =
        code == PackedCode.LUT3 || code == PackedCode.W4 && layout.scaleRowsPerBlock() == 1;
    return rows <= (small ? MORE_BESIDE_ROWS : BESIDE_ROWS);
  }

  static DecodeGeometry geometry(
      PackedLayout layout, int rows, int parts, boolean placed, boolean beside, int turn) {
    if (placed) {
      return beside
          ? DecodeGeometry.placedBeside(rows, layout.blockBytes(), turn)
          : DecodeGeometry.placed(rows, layout.blockBytes());
    }
    if (beside) {
      return DecodeGeometry.beside(rows, parts, layout.blockBytes(), turn);
    }
    return DecodeGeometry.alone(
        rows, layout.blockBytes(), layout.code() == PackedCode.LUT4 ? PAIR_TABLE_BYTES : 0);
  }
}
