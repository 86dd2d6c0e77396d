package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.choice.TokenWeight;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;

/**
 * Runs planned steps through a Llama. Owns the backend and with it the weights, the KV cache, the
 * activations and the step inputs, which are allocated once for the largest step.
 *
 * <p>On a backend with operators of their own for prompts a step runs in passes, see {@link
 * StepPass}; the passes of decoding rows are replayed. Each pass leaves its chosen tokens on the
 * device, where the next step's decoding rows take them, and their copies come back while that step
 * runs.
 */
final class LlamaExecutor implements StepExecutor {
  private final ModelConfig model;
  private final Backend backend;
  private final KvCache cache;
  private final LlamaModel llama;
  private final StepBuffers buffers;
  private final int mostDecoded;

  /** Bytes that a step of decoding rows reads whatever the rows, and for each token before them. */
  private final long weightBytes;

  private final double tokenBytes;

  /** Tokens that end an answer; null where there are none. */
  private final IntTensor ends;

  /** Chosen tokens of the last step, pass after pass; null where a step does not run in passes. */
  private final IntTensor chosen;

  /** Null where a step does not run in passes. */
  private final StepScores scores;

  LlamaExecutor(ModelConfig model, LlamaWeights weights, Backend backend, EngineConfig config) {
    this.model = model;
    this.backend = backend;
    this.weightBytes =
        weights.bytes()
            - (weights.output() == weights.embedding() ? 0 : weights.embedding().bytes());
    this.tokenBytes = (double) config.blockBytes() / config.blockTokens();
    LlamaModel.Sizes sizes = sizes(backend, config);
    this.mostDecoded = sizes.decodeRows();
    this.cache =
        backend.kvCache(model.layers(), config.kvBlocks(), config.blockTokens(), model.attention());
    this.llama = new LlamaModel(model, weights, backend, cache, sizes);
    int stride = replayStride(config.contextBlocks());
    int[] stops = config.stopIds().stream().mapToInt(Integer::intValue).sorted().toArray();
    this.ends = stops.length == 0 ? null : backend.ints(stops.length, "tokens that end answers");
    if (ends != null) {
      backend.write(ends, stops, stops.length);
    }
    // One pass of decoding rows with its padding, prompts, and passes of rows computed again.
    int tokens = 2 * mostDecoded + sizes.rows();
    this.buffers = new StepBuffers(backend, sizes, stride, tokens);
    this.chosen = backend.separatesPrompts() ? backend.ints(tokens, "chosen tokens") : null;
    this.scores = chosen == null ? null : new StepScores(backend, buffers.transfers());
    backend.reserveSteps(model.attention(), mostDecoded, stride);
  }

  /** What such an engine's steps need room for. */
  static LlamaModel.Sizes sizes(Backend backend, EngineConfig config) {
    Scheduler.Limits limits = config.limits();
    int decoded = backend.separatesPrompts() ? backend.replayRows(config.decodeRows()) : 0;
    int rows = Math.max(limits.stepRows(), decoded);
    return new LlamaModel.Sizes(rows, limits.logitRows(), decoded, config.contextTokens());
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public int mostWeighed() {
    return backend.separatesPrompts() ? TokenWeight.MOST_TOKENS : Integer.MAX_VALUE;
  }

  @Override
  public boolean separatesPrompts() {
    return backend.separatesPrompts();
  }

  @Override
  public float largestActivation() {
    return backend.largestActivation();
  }

  @Override
  public boolean runsAhead() {
    return backend.separatesPrompts();
  }

  @Override
  public int filledRows(int rows) {
    return backend.separatesPrompts() ? backend.replayRows(rows) : rows;
  }

  @Override
  public Logits execute(BatchPlan plan) {
    int[] copies = plan.blockCopies();
    for (int i = 0; i < copies.length; i += 2) {
      backend.ops().kvCopy(cache, copies[i], copies[i + 1]);
    }
    if (backend.separatesPrompts()) {
      return executePasses(plan);
    }
    StepInputs step = buffers.upload(plan);
    Tensor logits = llama.forward(step, plan.rows(), plan.logitRows().length);
    int vocabulary = model.vocabulary();
    return (index, dst) -> backend.read(logits, (long) index * vocabulary, dst, 0, vocabulary);
  }

  @Override
  public long floorNanos(BatchPlan plan) {
    double bytesPerSecond = backend.bytesPerSecond();
    if (bytesPerSecond == 0) {
      return 0;
    }
    long tokens = 0;
    for (int position : plan.positions()) {
      tokens += position + 1;
    }
    long streamed = backend.streaming().map(WeightStreaming::stepNanos).orElse(0L);
    long read = (long) ((weightBytes + tokens * tokenBytes) / bytesPerSecond * 1e9);
    return Math.max(read, streamed);
  }

  private Logits executePasses(BatchPlan plan) {
    StepInputs step = buffers.tables(plan, replayStride(plan.blockTableStride()));
    PassLogits logits = new PassLogits(backend, model.vocabulary(), plan);
    for (StepPass pass : StepPass.of(plan, mostDecoded)) {
      int rows = pass.rows().length;
      int first = logits.chosen();
      if (pass.kind() == StepPass.Kind.PROMPT) {
        buffers.upload(plan, pass, rows);
        int wanted = pass.logits().length;
        ChoiceInputs how = choice(plan, pass, wanted, step);
        backend.takeTokens(step, cache, null, chosen, rows);
        Tensor output = llama.forward(step, rows, wanted);
        if (wanted > 0) {
          backend.choose(chosen, first, output, wanted, how);
        }
        logits.scored(scores.queue(plan, pass, output));
        logits.inOrder(pass, output);
        continue;
      }
      if (pass.kind() == StepPass.Kind.AGAIN) {
        buffers.upload(plan, pass, rows);
        ChoiceInputs how = choice(plan, pass, rows, step);
        backend.takeTokens(step, cache, null, chosen, rows);
        backend.choose(chosen, first, llama.decode(step, rows, true), rows, how);
        logits.byPlace(pass, llama.decodeLogits(), rows);
      } else {
        int filled = backend.replayRows(rows);
        buffers.upload(plan, pass, filled);
        ChoiceInputs how = choice(plan, pass, filled, step);
        int stride = step.blockTableStride();
        boolean greedy = how.choices() == null;
        replay(step, how, new DecodeShape(filled, stride, first, pass.isDrafted(), greedy));
        logits.byPlace(pass, llama.decodeLogits(), filled);
      }
    }
    logits.fetched(buffers.fetch(chosen, logits.chosen()));
    return logits;
  }

  private ChoiceInputs choice(BatchPlan plan, StepPass pass, int rows, StepInputs step) {
    IntTensor choices = buffers.choices(plan, pass, rows);
    boolean gathered = pass.kind() == StepPass.Kind.PROMPT;
    IntTensor rowIds = gathered ? step.logitRows() : null;
    return new ChoiceInputs(ends, choices, null, rowIds, step, cache);
  }

  private void replay(StepInputs step, ChoiceInputs how, DecodeShape shape) {
    int rows = shape.rows();
    backend.replay(
        shape,
        () -> {
          backend.takeTokens(step, cache, buffers.sources(), chosen, rows);
          Tensor logits = llama.decode(step, rows, shape.drafted());
          backend.choose(chosen, shape.firstChosen(), logits, rows, how);
        });
  }

  /** What recorded decode steps differ in. */
  private record DecodeShape(
      int rows, int blockTableStride, int firstChosen, boolean drafted, boolean greedy) {}

  /**
   * Entries of a block table: few different numbers, so that few recordings serve all lengths. Up
   * to 128 blocks in steps of 16, then in steps of an eighth.
   */
  static int replayStride(int blocks) {
    int step = Math.max(16, Integer.highestOneBit(Math.max(1, blocks - 1)) / 8);
    return (blocks + step - 1) / step * step;
  }

  /** Copies between host and device for steps so far. */
  StepTransfers.Counts transfers() {
    return buffers.transferCounts();
  }

  @Override
  public void close() {
    buffers.close();
    backend.close();
  }
}
