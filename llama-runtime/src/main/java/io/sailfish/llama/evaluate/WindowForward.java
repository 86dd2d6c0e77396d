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
  /** Positions that are computed together. */
  static final int PIECE = 128;

  private static final int BLOCK_TOKENS = 16;

  private final Backend backend;
  private final ModelConfig config;
  private final LlamaModel model;
  private final int length;
  private final IntTensor tokenIds;
  private final IntTensor positions;
  private final IntTensor sequences;
  private final IntTensor starts;
  private final IntTensor blocks;
  private final IntTensor logitRows;
  private final float[] logits;
  private final float[][] residuals;

  /**
   * @param checkpoint read now; closed by the caller
   * @param backend closed with this
   * @param length most tokens of a window
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
    this.tokenIds = backend.ints(PIECE, "evaluation: tokens");
    this.positions = backend.ints(PIECE, "evaluation: positions");
    this.sequences = backend.ints(PIECE, "evaluation: sequences");
    this.starts = backend.ints(2, "evaluation: starts of queries");
    this.blocks = backend.ints(blocks(length), "evaluation: blocks");
    this.logitRows = backend.ints(PIECE, "evaluation: rows of logits");
    this.logits = new float[PIECE * config.vocabulary()];
    this.residuals = new float[config.layers()][PIECE * config.hidden()];
  }

  private static int blocks(int tokens) {
    return (tokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
  }

  ModelConfig config() {
    return config;
  }

  /** {@code cpu} or {@code cuda}. */
  String backend() {
    return backend.id();
  }

  /**
   * Computes the tokens {@code [first, first + PIECE)} of a window, as far as it goes; those before
   * have been computed.
   *
   * @param tapped whether {@link #residuals} are wanted
   * @return tokens computed; their logits are in {@link #logits} until the next call
   */
  int piece(int[] window, int first, boolean tapped) {
    if (window.length > length) {
      throw new IllegalArgumentException(window.length + " tokens, at most " + length);
    }
    int rows = Math.min(PIECE, window.length - first);
    int numBlocks = blocks(first + rows);
    write(tokenIds, rows, i -> window[first + i]);
    write(positions, rows, i -> first + i);
    write(sequences, rows, i -> 0);
    write(starts, 2, i -> i * rows);
    write(blocks, numBlocks, i -> i);
    write(logitRows, rows, i -> i);
    // Blocks lie in their order, so that a token's slot is its position.
    StepInputs step =
        new StepInputs(
            tokenIds, positions, positions, sequences, starts, blocks, numBlocks, logitRows);
    Tensor out =
        tapped
            ? model.forward(step, rows, rows, (layer, residual) -> keep(layer, residual, rows))
            : model.forward(step, rows, rows);
    backend.read(out, 0, logits, 0, rows * config.vocabulary());
    return rows;
  }

  private void keep(int layer, Tensor residual, int rows) {
    backend.read(residual, 0, residuals[layer], 0, rows * config.hidden());
  }

  /** {@code [rows, vocabulary]} of the last piece. */
  float[] logits() {
    return logits;
  }

  /** {@code [layers][rows, hidden]} of the last piece. */
  float[][] residuals() {
    return residuals;
  }

  private void write(IntTensor tensor, int count, IntUnaryOperator value) {
    int[] values = new int[count];
    Arrays.setAll(values, value);
    backend.write(tensor, values, count);
  }

  @Override
  public void close() {
    backend.close();
  }
}
