package io.sailfish.llama.evaluate;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * The forward pass over windows of text, each from position 0, with the logits of every position:
 * what an engine never needs. Computed in pieces, since all logits of a window take much memory.
 */
final class WindowForward implements AutoCloseable {
  private static final int BLOCK_TOKENS = 16;

  /** Positions whose logits are computed together. */
  private static final int PIECE = 128;

  private final Backend backend;
  private final ModelConfig config;
  private final LlamaModel model;
  private final int length;

  /**
   * @param checkpoint read now; closed by the caller
   * @param backend closed with this
   * @param length tokens a window
   */
  WindowForward(Checkpoint checkpoint, Backend backend, int length) {
    this.backend = backend;
    this.config = checkpoint.config();
    this.length = length;
    if (length > config.context()) {
      throw new IllegalArgumentException(
          "windows of %d tokens: %s was made for %d"
              .formatted(length, config.name(), config.context()));
    }
    LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
    KvCache cache =
        backend.kvCache(config.layers(), blocks(length), BLOCK_TOKENS, config.attention());
    LlamaModel.Sizes sizes = new LlamaModel.Sizes(PIECE, PIECE, length);
    this.model = new LlamaModel(config, weights, backend, cache, sizes);
  }

  private static int blocks(int tokens) {
    return (tokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
  }

  int vocabulary() {
    return config.vocabulary();
  }

  /** Logits after each token of a window, piece by piece. */
  interface Pieces {
    /**
     * @param first position of the first of {@code rows} rows
     * @param logits {@code [rows, vocabulary]}, until the next call
     */
    void take(int first, int rows, float[] logits);
  }

  void run(int[] window, Pieces pieces) {
    if (window.length > length) {
      throw new IllegalArgumentException(window.length + " tokens, at most " + length);
    }
    float[] logits = new float[PIECE * config.vocabulary()];
    for (int first = 0; first < window.length; first += PIECE) {
      int start = first;
      int rows = Math.min(PIECE, window.length - first);
      int blocks = blocks(first + rows);
      StepInputs step =
          new StepInputs(
              ints(rows, i -> window[start + i]),
              ints(rows, i -> start + i),
              ints(rows, i -> start + i),
              ints(rows, i -> 0),
              ints(2, i -> i * rows),
              ints(blocks, i -> i),
              blocks,
              ints(rows, i -> i));
      Tensor out = model.forward(step, rows, rows);
      backend.read(out, 0, logits, 0, rows * config.vocabulary());
      pieces.take(first, rows, logits);
    }
  }

  private IntTensor ints(int count, IntUnaryOperator value) {
    int[] values = new int[count];
    Arrays.setAll(values, value);
    IntTensor tensor = backend.ints(count, "evaluation");
    backend.write(tensor, values, count);
    return tensor;
  }

  @Override
  public void close() {
    backend.close();
  }
}
