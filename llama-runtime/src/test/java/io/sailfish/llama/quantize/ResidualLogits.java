package io.sailfish.llama.quantize;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;

/** The end of a forward pass: what a residual stream says. */
final class ResidualLogits {
  private ResidualLogits() {}

  static float[] of(ModelConfig config, LlamaWeights weights, Backend backend, float[] stream) {
    int rows = stream.length / config.hidden();
    Tensor x = backend.floats(rows, config.hidden(), "stream");
    backend.write(x, 0, stream, 0, stream.length);
    backend.ops().rmsNorm(x, x, weights.outputNorm(), config.normEps(), rows);
    Tensor logits = backend.exact(rows, config.vocabulary(), "logits");
    backend.ops().linear(logits, x, weights.output(), rows);
    float[] values = new float[rows * config.vocabulary()];
    backend.read(logits, 0, values, 0, values.length);
    return values;
  }
}
