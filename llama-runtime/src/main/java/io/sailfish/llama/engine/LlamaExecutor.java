package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;

/**
 * Runs planned steps through a Llama. Owns the backend and with it the weights, the KV cache, the
 * activations and the step inputs, which are allocated once for the largest step.
 *
 * <p>On a backend with operators of their own for prompts a step runs in passes, see {@link
 * StepPass}; the passes of decoding rows are replayed.
 */
final class LlamaExecutor implements StepExecutor {
  private final ModelConfig model;
  private final Backend backend;
  private final KvCache cache;
  private final LlamaModel llama;
  private final StepBuffers buffers;
  private final int mostDecoded;
  private final int contextBlocks;

  LlamaExecutor(ModelConfig model, LlamaWeights weights, Backend backend, EngineConfig config) {
    Scheduler.Limits limits = config.limits();
    this.model = model;
    this.backend = backend;
    this.mostDecoded = backend.separatesPrompts() ? backend.replayRows(limits.rows()) : 0;
    this.contextBlocks = (config.contextTokens() + config.blockTokens() - 1) / config.blockTokens();
    this.cache =
        backend.kvCache(model.layers(), config.kvBlocks(), config.blockTokens(), model.attention());
    int rows = Math.max(limits.stepRows(), mostDecoded);
    this.llama =
        new LlamaModel(
            model,
            weights,
            backend,
            cache,
            new LlamaModel.Sizes(rows, limits.logitRows(), mostDecoded, config.contextTokens()));
    // Every part of a step is a running sequence or a continuation with a logit row of its own.
    int parts = limits.logitRows();
    int tableEntries = Math.multiplyExact(parts, replayStride(contextBlocks));
    this.buffers = new StepBuffers(backend, rows, limits.logitRows(), parts, tableEntries);
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public boolean separatesPrompts() {
    return backend.separatesPrompts();
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

  private Logits executePasses(BatchPlan plan) {
    StepInputs step = buffers.tables(plan, replayStride(plan.blockTableStride()));
    PassLogits logits = new PassLogits(backend, model.vocabulary(), plan.logitRows().length);
    for (StepPass pass : StepPass.of(plan, mostDecoded)) {
      int rows = pass.rows().length;
      if (pass.kind() == StepPass.Kind.PROMPT) {
        buffers.upload(plan, pass, rows);
        logits.inOrder(pass, llama.forward(step, rows, pass.logits().length));
        continue;
      }
      logits.keep(llama.decodeLogits()); // the pass writes over what an earlier one left
      if (pass.kind() == StepPass.Kind.AGAIN) {
        buffers.upload(plan, pass, rows);
        llama.decode(step, rows);
      } else {
        int filled = backend.replayRows(rows);
        buffers.upload(plan, pass, filled);
        backend.replay(
            new DecodeShape(filled, step.blockTableStride()), () -> llama.decode(step, filled));
      }
      logits.byPlace(pass, llama.decodeLogits());
    }
    return logits;
  }

  /** What recorded decode steps differ in. */
  private record DecodeShape(int rows, int blockTableStride) {}

  /**
   * Entries of a block table: few different numbers, so that few recordings serve all lengths. Up
   * to 128 blocks in steps of 16, then in steps of an eighth.
   */
  static int replayStride(int blocks) {
    int step = Math.max(16, Integer.highestOneBit(Math.max(1, blocks - 1)) / 8);
    return (blocks + step - 1) / step * step;
  }

  @Override
  public void close() {
    backend.close();
  }
}
