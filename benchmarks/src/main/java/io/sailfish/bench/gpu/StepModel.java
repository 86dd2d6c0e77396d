package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.RandomWeights;
import io.sailfish.llama.model.AttentionVariant;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntUnaryOperator;

/**
 * A Llama of given shapes with random weights on a card, and sequences that each have blocks of
 * their own: w4a16 of group 128 with an fp16 head, as vLLM has it.
 */
final class StepModel {
  static final int PROMPT = 512;
  static final int MAX_SEQUENCES = 256;

  /** Rows of a step of prompts. */
  static final int PROMPT_ROWS = 8 * PROMPT;

  private static final int SEED = 17;
  private static final int BLOCK_TOKENS = 16;
  static final int STRIDE = 48;
  private static final int CONTEXT = STRIDE * BLOCK_TOKENS;

  final ModelConfig config;
  final CudaBackend backend;
  final LlamaWeights weights;
  final LlamaModel model;
  final KvCache cache;
  final StepInputs step;
  final IntTensor ids;

  private static final int VOCABULARY = 128_256;

  static final ModelConfig LLAMA_8B = llama8b(32, VOCABULARY);
  static final ModelConfig LLAMA_1B =
      config("1b", 16, 2048, 8192, new AttentionShape(32, 8, 64), VOCABULARY, true);

  private static ModelConfig config(
      String name,
      int layers,
      int hidden,
      int inner,
      AttentionShape shape,
      int vocabulary,
      boolean tied) {
    RopeConfig rope = new RopeConfig(500_000, false, new RopeConfig.None());
    AttentionVariant plain = AttentionVariant.PLAIN;
    return new ModelConfig(
        name, layers, hidden, inner, shape, plain, vocabulary, 8192, 1e-5f, rope, tied, List.of());
  }

  /** Llama 8B with other numbers of layers and tokens. */
  static ModelConfig llama8b(int layers, int vocabulary) {
    AttentionShape shape = new AttentionShape(32, 8, 128);
    return config("8b", layers, 4096, 14336, shape, vocabulary, false);
  }

  StepModel(ModelConfig config, CudaBackend backend) {
    this(config, backend, new RandomWeights(backend, SEED));
  }

  private StepModel(ModelConfig config, CudaBackend backend, RandomWeights random) {
    this.config = config;
    this.backend = backend;
    weights = weights(config, backend, random);
    cache =
        backend.kvCache(config.layers(), MAX_SEQUENCES * STRIDE, BLOCK_TOKENS, config.attention());
    LlamaModel.Sizes sizes =
        new LlamaModel.Sizes(PROMPT_ROWS, PROMPT_ROWS / PROMPT, MAX_SEQUENCES, CONTEXT);
    model = new LlamaModel(config, weights, backend, cache, sizes);
    ids = backend.ints(MAX_SEQUENCES, "chosen tokens");
    step =
        new StepInputs(
            backend.ints(PROMPT_ROWS, "token ids"),
            backend.ints(PROMPT_ROWS, "positions"),
            backend.ints(PROMPT_ROWS, "slots"),
            backend.ints(PROMPT_ROWS, "sequences"),
            backend.ints(1, "starts"),
            backend.ints(MAX_SEQUENCES * STRIDE, "block tables"),
            STRIDE,
            backend.ints(MAX_SEQUENCES, "logit rows"));
    write(step.blockTables(), MAX_SEQUENCES * STRIDE, StepModel::block);
  }

  /** Blocks of a sequence do not lie side by side. */
  private static int block(int index) {
    return index / STRIDE + index % STRIDE * MAX_SEQUENCES;
  }

  private static int slot(int sequence, int position) {
    return block(sequence * STRIDE + position / BLOCK_TOKENS) * BLOCK_TOKENS
        + position % BLOCK_TOKENS;
  }

  /** The same with the matrices of all layers on the host. */
  static StepModel streamed(ModelConfig config, CudaBackend backend) {
    long largest = (long) config.inner() * config.hidden() * 5 / 4; // 4 bits, scales, a little
    return new StepModel(config, backend, RandomWeights.streamed(backend, SEED, largest));
  }

  static LlamaWeights weights(ModelConfig c, CudaBackend backend) {
    return weights(c, backend, new RandomWeights(backend, SEED));
  }

  /** The same with layers that change next to nothing: a token follows from the one before it. */
  static LlamaWeights quietWeights(ModelConfig c, CudaBackend backend) {
    return weights(c, backend, new RandomWeights(backend, SEED), 1e-5f);
  }

  private static LlamaWeights weights(ModelConfig c, CudaBackend backend, RandomWeights random) {
    return weights(c, backend, random, 1);
  }

  private static LlamaWeights weights(
      ModelConfig c, CudaBackend backend, RandomWeights random, float norms) {
    AttentionShape shape = c.attention();
    List<LlamaWeights.Layer> layers = new ArrayList<>();
    for (int i = 0; i < c.layers(); i++) {
      layers.add(
          new LlamaWeights.Layer(
              norm(backend, c.hidden(), norms),
              random.packed("qkv " + i, shape.qkvCols(), c.hidden(), false),
              random.packed("o " + i, c.hidden(), shape.qCols(), false),
              norm(backend, c.hidden(), norms),
              random.packed("gateUp " + i, 2 * c.inner(), c.hidden(), true),
              random.packed("down " + i, c.hidden(), c.inner(), false),
              LlamaWeights.Extras.NONE));
    }
    Weight embedding = random.dense("embedding", c.vocabulary(), c.hidden());
    Weight output =
        c.tiedEmbeddings() ? embedding : random.dense("output", c.vocabulary(), c.hidden());
    return new LlamaWeights(embedding, layers, norm(backend, c.hidden(), 1), output);
  }

  private static Tensor norm(CudaBackend backend, int cols, float value) {
    Tensor tensor = backend.exact(1, cols, "norm");
    float[] values = new float[cols];
    Arrays.fill(values, value);
    backend.write(tensor, 0, values, 0, cols);
    return tensor;
  }

  /** Computes the prompts of eight sequences from {@code first} on. */
  Tensor prefill(int first) {
    Random random = new Random(first);
    write(step.tokenIds(), PROMPT_ROWS, i -> random.nextInt(config.vocabulary()));
    write(step.positions(), PROMPT_ROWS, i -> i % PROMPT);
    write(step.rowSequences(), PROMPT_ROWS, i -> first + i / PROMPT);
    write(step.slots(), PROMPT_ROWS, i -> slot(first + i / PROMPT, i % PROMPT));
    write(step.logitRows(), PROMPT_ROWS / PROMPT, i -> (i + 1) * PROMPT - 1);
    return model.forward(step, PROMPT_ROWS, PROMPT_ROWS / PROMPT);
  }

  /** Puts {@code rows} sequences at {@code position} with a token each. */
  void place(int rows, int position) {
    write(step.tokenIds(), rows, i -> (i * 7919 + 13) % config.vocabulary());
    write(step.positions(), rows, i -> position);
    write(step.rowSequences(), rows, i -> i);
    write(step.slots(), rows, i -> slot(i, position));
  }

  /** One step of {@code rows} sequences, whose tokens are fed to the next on the card. */
  void decode(int rows) {
    backend.replay(
        "decode " + rows,
        () -> {
          Tensor logits = model.decode(step, rows);
          backend.argmax(ids, logits, rows);
          backend.advance(step, ids, rows);
        });
  }

  int[] chosen(int rows) {
    int[] chosen = new int[rows];
    backend.read(ids, chosen, rows);
    return chosen;
  }

  private void write(IntTensor dst, int count, IntUnaryOperator value) {
    int[] values = new int[count];
    Arrays.setAll(values, value);
    backend.write(dst, values, count);
  }
}
