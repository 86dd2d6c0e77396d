package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Twin of gemm_portable_*.cu: products on any card from sm_80 on, every kind of weight, any number
 * of rows. Geometry as gemm/portable.cuh states it.
 */
final class PortableGemm {
  static final int MIN_COMPUTE_CAPABILITY = 80;

  private static final int THREADS = 512;

  /** Blocks of K that are multiplied at once. */
  static final int LANES = 4;

  private static final int MAX_ROWS = 32;
  private static final int PAIR_TABLE_BYTES = 1024;

  private static final KernelSpec SHAPE =
      KernelSpec.kernel("", "")
          .in("weights")
          .in("x")
          .in("tables")
          .out("y0")
          .out("y1")
          .out("y2")
          .i32("epilogue")
          .i32("cut0")
          .i32("cut1")
          .i32("outputs")
          .i32("groups")
          .i32("tileRows")
          .i32("scaleRows")
          .i32("zeroKind")
          .i32("scaleBf16")
          .i32("strips")
          .build();

  private PortableGemm() {}

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (PackedCode code : PackedCode.values()) {
      for (TwoByteFloat type : TwoByteFloat.values()) {
        for (int rows = 8; rows <= MAX_ROWS; rows *= 2) {
          specs.add(spec(code, type, rows));
        }
      }
    }
    return specs;
  }

  private static KernelSpec spec(PackedCode code, TwoByteFloat type, int rows) {
    String name = code.name().toLowerCase(Locale.ROOT);
    return SHAPE.withEntry(
        code.hasTable() ? "gemm_portable_lut" : "gemm_portable_w4",
        "gemm_portable_%s_%s_r%d".formatted(name, type.name().toLowerCase(Locale.ROOT), rows));
  }

  static void launch(
      CudaStream stream, GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows) {
    PackedLayout layout = weight.layout();
    int blockRows = Math.min(x.tileRows(), MAX_ROWS);
    int tiles = (rows - 1) / x.tileRows() + 1;
    LaunchGeometry geometry =
        LaunchGeometry.of(1, THREADS)
            .withGrid(2 * layout.panels(), tiles * (x.tileRows() / blockRows), 1)
            .withShared((LANES - 1) * 64 * blockRows * Float.BYTES + PAIR_TABLE_BYTES);
    if (stream.device().properties().computeCapability() >= 90) {
      geometry = geometry.overlapping();
    }
    stream.launch(
        spec(layout.code(), x.type(), blockRows),
        geometry,
        weight.address(),
        x.address(),
        weight.tablesAddress(),
        epilogue.address0(),
        epilogue.address1(),
        epilogue.address2(),
        epilogue.kind().ordinal(),
        epilogue.firstCut(),
        epilogue.secondCut(),
        layout.outputs(),
        layout.blocksPerPanel(),
        x.tileRows(),
        layout.scaleRowsPerBlock(),
        layout.zeroKind().ordinal(),
        layout.scaleType() == TwoByteFloat.BF16 ? 1 : 0,
        weight.tables());
  }
}
