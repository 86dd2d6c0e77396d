package io.sailfish.bench;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * The forward pass alone over one sequence, without engine or tokenizer: every position's logits.
 */
final class TinyForward implements AutoCloseable {
  private static final int BLOCK_TOKENS = 16;

  private final Backend backend;
  private final LlamaModel model;
  private final int vocabulary;
  private final int maxTokens;

  TinyForward(Path file, Backend backend, int maxTokens) {
    this.backend = backend;
    this.maxTokens = maxTokens;
    try (Checkpoint checkpoint = Checkpoints.open(file)) {
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      int layers = checkpoint.config().layers();
      int blocks = (maxTokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
      KvCache cache =
          backend.kvCache(layers, blocks, BLOCK_TOKENS, checkpoint.config().attention());
      LlamaModel.Sizes sizes = new LlamaModel.Sizes(maxTokens, maxTokens, maxTokens);
      this.model = new LlamaModel(checkpoint.config(), weights, backend, cache, sizes);
      this.vocabulary = checkpoint.config().vocabulary();
    }
  }

  /** Logits {@code [tokens - first, vocabulary]} of the positions from {@code first} on. */
  float[] logits(int[] tokens, int first) {
    int rows = tokens.length;
    int wanted = rows - first;
    if (rows > maxTokens) {
      throw new IllegalArgumentException(rows + " tokens, at most " + maxTokens);
    }
    int blocks = (rows + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
    StepInputs step =
        new StepInputs(
            ints(rows, i -> tokens[i]),
            ints(rows, i -> i),
            ints(rows, i -> i),
            ints(rows, i -> 0),
            ints(2, i -> i * rows),
            ints(blocks, i -> i),
            blocks,
            ints(wanted, i -> first + i));
    Tensor out = model.forward(step, rows, wanted);
    float[] logits = new float[wanted * vocabulary];
    backend.read(out, 0, logits, 0, logits.length);
    return logits;
  }

  /**
   * The prompt followed by {@code count} greedy tokens, each from a pass over the whole sequence.
   */
  int[] greedy(int[] prompt, int count) {
    int[] tokens = Arrays.copyOf(prompt, prompt.length + count);
    for (int n = prompt.length; n < tokens.length; n++) {
      float[] last = logits(Arrays.copyOf(tokens, n), n - 1);
      int best = 0;
      for (int i = 1; i < vocabulary; i++) {
        best = last[i] > last[best] ? i : best;
      }
      tokens[n] = best;
    }
    return tokens;
  }

  private IntTensor ints(int length, IntUnaryOperator value) {
    IntTensor tensor = backend.ints(length, "fidelity");
    int[] values = new int[length];
    Arrays.setAll(values, value);
    backend.write(tensor, values, length);
    return tensor;
  }

  @Override
  public void close() {
    backend.close();
  }
}
