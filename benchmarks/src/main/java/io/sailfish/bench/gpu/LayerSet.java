package io.sailfish.bench.gpu;

import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.List;

/**
 * The four products of a Llama block in their order, as (K, N): q|k|v, output, gate|up, down.
 *
 * @param name in figure ids
 * @param shapes {@code [4][2]}
 */
record LayerSet(String name, List<int[]> shapes) {
  static final LayerSet LLAMA_8B =
      new LayerSet(
          "8b",
          List.of(
              new int[] {4096, 6144},
              new int[] {4096, 4096},
              new int[] {4096, 28672},
              new int[] {14336, 4096}));
  static final LayerSet LLAMA_70B =
      new LayerSet(
          "70b",
          List.of(
              new int[] {8192, 10240},
              new int[] {8192, 8192},
              new int[] {8192, 57344},
              new int[] {28672, 8192}));

  /** Packed bytes of a block. */
  long bytes(WeightKind kind) {
    return shapes.stream().mapToLong(shape -> kind.layout(shape[1], shape[0]).bytes()).sum();
  }

  /** Multiply-adds of a block for one row, times two. */
  double operations() {
    return shapes.stream().mapToDouble(shape -> 2.0 * shape[0] * shape[1]).sum();
  }

  /** The widest activation of the set. */
  int widest() {
    return shapes.stream().mapToInt(shape -> Math.max(shape[0], shape[1])).max().orElseThrow();
  }

  List<PackedLayout> layouts(WeightKind kind) {
    return shapes.stream().map(shape -> kind.layout(shape[1], shape[0])).toList();
  }
}
