package io.sailfish.llama.quantize;

import io.sailfish.llama.model.ModelConfig;
import java.util.List;

/** Matrices of a layer that multiply the same activations, in the order of the computation. */
enum Stage {
  QKV("q", "k", "v"),
  O("o"),
  GATE_UP("gate", "up"),
  DOWN("down");

  private final List<String> matrices;

  Stage(String... matrices) {
    this.matrices = List.of(matrices);
  }

  /** Our names of the matrices, from the top of their stack down. */
  List<String> matrices(int layer) {
    return matrices.stream().map(name -> "layers." + layer + "." + name).toList();
  }

  /** Inputs of each matrix. */
  int inputs(ModelConfig config) {
    return switch (this) {
      case QKV, GATE_UP -> config.hidden();
      case O -> config.attention().qCols();
      case DOWN -> config.inner();
    };
  }
}
