package io.sailfish.llama.quantize;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.ModelConfig;

/**
 * What a layer has besides its matrices; each null where the family has none.
 *
 * @param window keys that a row sees, 0 = all
 */
record LayerVectors(
    Tensor attentionNorm,
    Tensor ffnNorm,
    Tensor qkvBias,
    Tensor oBias,
    Tensor qNorm,
    Tensor kNorm,
    int window) {

  static LayerVectors of(Checkpoint checkpoint, Backend backend, int layer) {
    ModelConfig config = checkpoint.config();
    String in = "layers." + layer + ".";
    Loader loader = new Loader(checkpoint, backend);
    boolean norms = config.variant().headNorms();
    return new LayerVectors(
        loader.vector(in + "attention_norm"),
        loader.vector(in + "ffn_norm"),
        config.variant().qkvBias()
            ? loader.vector(in + "q_bias", in + "k_bias", in + "v_bias")
            : null,
        config.variant().outputBias() ? loader.vector(in + "o_bias") : null,
        norms ? loader.vector(in + "q_norm") : null,
        norms ? loader.vector(in + "k_norm") : null,
        config.variant().window(layer));
  }

  private record Loader(Checkpoint checkpoint, Backend backend) {
    /** Vectors one behind the other. */
    Tensor vector(String... names) {
      int length = 0;
      for (String name : names) {
        length += checkpoint.tensor(name).cols();
      }
      Tensor tensor = backend.exact(1, length, names[0]);
      int at = 0;
      for (String name : names) {
        WeightSource source = checkpoint.tensor(name);
        backend.write(tensor, at, Matrix.read(name, source).values(), 0, source.cols());
        at += source.cols();
      }
      return tensor;
    }
  }
}
