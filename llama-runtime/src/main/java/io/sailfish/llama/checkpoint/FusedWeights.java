package io.sailfish.llama.checkpoint;

import io.sailfish.llama.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/**
 * Matrices that are multiplied together, and so lie together in packed layouts.
 *
 * @param name such as {@code layers.0.qkv}
 * @param parts by our names
 * @param gated whether outputs of two parts come by turns
 * @param vocabulary whether it is an embedding table or output head
 */
public record FusedWeights(String name, List<String> parts, boolean gated, boolean vocabulary) {

  /** All of a model; none of one whose layers differ, as their heads are repeated at load. */
  public static List<FusedWeights> of(ModelConfig config) {
    List<FusedWeights> all = new ArrayList<>();
    if (!config.layerSizes().isEmpty()) {
      return all;
    }
    all.add(vocabulary("embedding"));
    for (int i = 0; i < config.layers(); i++) {
      String in = "layers." + i + ".";
      all.add(stacked(in + "qkv", in + "q", in + "k", in + "v"));
      all.add(stacked(in + "o", in + "o"));
      all.add(gated(in + "gate_up", in + "gate", in + "up"));
      all.add(stacked(in + "down", in + "down"));
    }
    if (!config.tiedEmbeddings()) {
      all.add(vocabulary("output"));
    }
    return all;
  }

  /** Outputs of the parts one behind the other. */
  public static FusedWeights stacked(String name, String... parts) {
    return new FusedWeights(name, List.of(parts), false, false);
  }

  /** Outputs of two parts by turns. */
  public static FusedWeights gated(String name, String gate, String up) {
    return new FusedWeights(name, List.of(gate, up), true, false);
  }

  /** An embedding table or output head. */
  public static FusedWeights vocabulary(String name) {
    return new FusedWeights(name, List.of(name), false, true);
  }
}
