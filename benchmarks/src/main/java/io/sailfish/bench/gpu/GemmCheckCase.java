package io.sailfish.bench.gpu;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One weight matrix to check products of.
 *
 * @param kind format and activations
 * @param inputs K
 * @param outputs N
 * @param maxRows rows up to which it is checked
 * @param dense whether all row counts are run, or one on each side of every edge
 * @param scaleFactor 1 for weights of unit products; others go to the edges of the scales' range
 */
record GemmCheckCase(
    WeightKind kind, int inputs, int outputs, int maxRows, boolean dense, double scaleFactor) {
  private static final int[] EDGES = {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 257};

  /** Dense around every edge between tiles, kernels and instruction widths. */
  private static final int[] ROWS = {
    1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 63, 64, 65, 66, 96, 127, 128,
    129, 160, 191, 192, 193, 255, 256, 257
  };

  /** Smallest, below a block, SmolLM2's, odd numbers of blocks. */
  private static final int[][] SMALL = {
    {1, 1}, {32, 16}, {130, 70}, {128, 128}, {384, 640}, {576, 960}, {1536, 576}, {2944, 384}
  };

  /** Llama's own and the longest K. */
  private static final int[][] LARGE = {
    {4096, 6144}, {4096, 4096}, {14336, 4096}, {28672, 1024}, {4096, 28672}, {8192, 10240}
  };

  int[] rows() {
    return Arrays.stream(dense ? ROWS : EDGES).filter(rows -> rows <= maxRows).toArray();
  }

  String describe() {
    String scale = scaleFactor == 1 ? "" : " scale x %.0e".formatted(scaleFactor);
    return "%s K=%d N=%d%s".formatted(kind.describe(), inputs, outputs, scale);
  }

  /** A table for each strip, or one for the whole matrix, in turn over the shapes. */
  boolean tableForEachStrip() {
    return inputs % 3 != 1 || outputs == 640;
  }

  /** All kinds on the small shapes, the main kinds on the large ones. */
  static List<GemmCheckCase> all(int maxRows) {
    List<GemmCheckCase> cases = new ArrayList<>();
    for (WeightKind kind : kinds()) {
      for (int[] shape : SMALL) {
        cases.add(new GemmCheckCase(kind, shape[0], shape[1], maxRows, false, 1));
      }
    }
    for (WeightKind kind : mainKinds()) {
      cases.add(new GemmCheckCase(kind, 576, 960, maxRows, true, 1));
      for (int[] shape : LARGE) {
        cases.add(new GemmCheckCase(kind, shape[0], shape[1], maxRows, false, 1));
      }
    }
    // Scales down to fp16's smallest subnormals and up to where a product nearly overflows.
    for (double factor : new double[] {0x1p-10, 0x1p12}) {
      cases.add(new GemmCheckCase(WeightKind.W4_G128, 1024, 512, maxRows, false, factor));
    }
    return cases;
  }

  private static List<WeightKind> mainKinds() {
    List<WeightKind> kinds = new ArrayList<>();
    for (PackedCode code : PackedCode.values()) {
      kinds.add(new WeightKind(code, ZeroKind.SYMMETRIC, 128, TwoByteFloat.F16, TwoByteFloat.F16));
    }
    kinds.add(
        new WeightKind(PackedCode.W4, ZeroKind.ZERO, 128, TwoByteFloat.BF16, TwoByteFloat.BF16));
    kinds.add(WeightKind.mxfp4(TwoByteFloat.F16));
    return kinds;
  }

  private static List<WeightKind> kinds() {
    List<WeightKind> kinds = new ArrayList<>();
    for (PackedCode code : PackedCode.values()) {
      for (ZeroKind zero : ZeroKind.values()) {
        for (int group : new int[] {32, 64, 128, 0}) {
          for (TwoByteFloat activations : TwoByteFloat.values()) {
            kinds.add(new WeightKind(code, zero, group, activations, TwoByteFloat.F16));
          }
        }
        kinds.add(new WeightKind(code, zero, 128, TwoByteFloat.F16, TwoByteFloat.BF16));
      }
    }
    for (TwoByteFloat activations : TwoByteFloat.values()) {
      kinds.add(WeightKind.mxfp4(activations));
    }
    return kinds;
  }
}
