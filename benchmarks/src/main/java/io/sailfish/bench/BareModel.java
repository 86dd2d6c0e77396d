package io.sailfish.bench;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntUnaryOperator;

/**
 * A model without an engine: given tokens in, logits out, every sequence in blocks of its own. What
 * is left is what the peer's batch API does too.
 */
final class BareModel {
  /** Tokens that every sequence has before decoding is timed. */
  static final int PROMPT = 16;

  static final int MAX_SEQUENCES = 32;
  private static final int BLOCK_TOKENS = 16;
  private static final int CONTEXT = 256;
  private static final int STRIDE = CONTEXT / BLOCK_TOKENS;

  /** Rows of a prefill step, as the engine's default chunk. */
  private static final int MAX_ROWS = 256;

  private final Backend backend;
  private final ModelConfig config;
  private final LlamaModel model;
  private final StepInputs step;

  BareModel(ModelConfig config, LlamaWeights weights, Backend backend) {
    this.backend = backend;
    this.config = config;
    int blocks = MAX_SEQUENCES * STRIDE;
    KvCache cache = backend.kvCache(config.layers(), blocks, BLOCK_TOKENS, config.attention());
    LlamaModel.Sizes sizes = new LlamaModel.Sizes(MAX_ROWS, MAX_SEQUENCES, CONTEXT);
    this.model = new LlamaModel(config, weights, backend, cache, sizes);
    this.step =
        new StepInputs(
            backend.ints(MAX_ROWS, "token ids"),
            backend.ints(MAX_ROWS, "positions"),
            backend.ints(MAX_ROWS, "slots"),
            backend.ints(MAX_ROWS, "sequences"),
            backend.ints(MAX_ROWS + 1, "starts"),
            backend.ints(blocks, "block tables"),
            STRIDE,
            backend.ints(MAX_SEQUENCES, "logit rows"));
    int[] identity = new int[blocks];
    Arrays.setAll(identity, i -> i);
    backend.write(step.blockTables(), identity, blocks);
  }

  /** Seconds for {@code steps} steps of {@code rows} sequences after prompts that are not timed. */
  double decode(int rows, int steps, int seed) {
    Random random = new Random(seed);
    for (int row = 0; row < rows; row++) {
      forward(tokens(random, PROMPT), row, PROMPT, 0);
    }
    int[][] tokens = new int[steps][];
    Arrays.setAll(tokens, i -> tokens(random, rows));
    long start = System.nanoTime();
    for (int i = 0; i < steps; i++) {
      forward(tokens[i], 0, 1, PROMPT + i);
    }
    return (System.nanoTime() - start) / 1e9;
  }

  /** Seconds for {@code rows} prompts of {@code count} tokens, a whole number of prompts a step. */
  double prefill(int rows, int count, int seed) {
    Random random = new Random(seed);
    int[][] prompts = new int[rows][];
    Arrays.setAll(prompts, i -> tokens(random, count));
    int perStep = MAX_ROWS / count;
    long start = System.nanoTime();
    for (int first = 0; first < rows; first += perStep) {
      int end = Math.min(rows, first + perStep);
      int[] tokens = new int[(end - first) * count];
      for (int i = first; i < end; i++) {
        System.arraycopy(prompts[i], 0, tokens, (i - first) * count, count);
      }
      forward(tokens, first, count, 0);
    }
    return (System.nanoTime() - start) / 1e9;
  }

  /** Logits of the last token of one prompt. */
  float[] logits(int count, int seed) {
    float[] logits = new float[config.vocabulary()];
    backend.read(
        forward(tokens(new Random(seed), count), 0, count, 0), 0, logits, 0, logits.length);
    return logits;
  }

  private int[] tokens(Random random, int count) {
    int[] tokens = new int[count];
    Arrays.setAll(tokens, i -> random.nextInt(config.vocabulary()));
    return tokens;
  }

  /**
   * One step: sequences from {@code firstSequence} on with {@code each} tokens each, the first at
   * {@code position}; logits of the last token of each.
   */
  private Tensor forward(int[] tokens, int firstSequence, int each, int position) {
    int rows = tokens.length;
    int count = rows / each;
    backend.write(step.tokenIds(), tokens, rows);
    write(step.positions(), rows, i -> position + i % each);
    write(step.rowSequences(), rows, i -> firstSequence + i / each);
    write(step.slots(), rows, i -> (firstSequence + i / each) * CONTEXT + position + i % each);
    write(step.queryStarts(), count + 1, i -> i * each);
    write(step.logitRows(), count, i -> (i + 1) * each - 1);
    return model.forward(step, rows, count);
  }

  private void write(IntTensor dst, int count, IntUnaryOperator value) {
    int[] values = new int[count];
    Arrays.setAll(values, value);
    backend.write(dst, values, count);
  }
}
