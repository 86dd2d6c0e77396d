package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;

/**
 * Runs planned steps through a Llama. Owns the backend and with it the weights, the KV cache, the
 * activations and the step inputs, which are allocated once for the largest step.
 */
final class LlamaExecutor implements StepExecutor {
  private final ModelConfig model;
  private final Backend backend;
  private final KvCache cache;
  private final LlamaModel llama;
  private final IntTensor tokenIds;
  private final IntTensor positions;
  private final IntTensor slots;
  private final IntTensor rowSequences;
  private final IntTensor queryStarts;
  private final IntTensor blockTables;
  private final IntTensor logitRows;

  LlamaExecutor(ModelConfig model, LlamaWeights weights, Backend backend, EngineConfig config) {
    Scheduler.Limits limits = config.limits();
    int rows = limits.stepRows();
    // Every part of a step is a running sequence or a continuation with a logit row of its own.
    int parts = limits.logitRows();
    int blocks = (config.contextTokens() + config.blockTokens() - 1) / config.blockTokens();
    this.model = model;
    this.backend = backend;
    this.cache =
        backend.kvCache(model.layers(), config.kvBlocks(), config.blockTokens(), model.attention());
    this.llama =
        new LlamaModel(
            model,
            weights,
            backend,
            cache,
            new LlamaModel.Sizes(rows, limits.logitRows(), config.contextTokens()));
    this.tokenIds = backend.ints(rows, "token ids");
    this.positions = backend.ints(rows, "positions");
    this.slots = backend.ints(rows, "KV slots");
    this.rowSequences = backend.ints(rows, "sequence of each row");
    this.queryStarts = backend.ints(parts + 1, "first row of each sequence");
    this.blockTables = backend.ints(Math.multiplyExact(parts, blocks), "block tables");
    this.logitRows = backend.ints(limits.logitRows(), "rows that need logits");
  }

  @Override
  public int vocabulary() {
    return model.vocabulary();
  }

  @Override
  public Logits execute(BatchPlan plan) {
    int[] copies = plan.blockCopies();
    for (int i = 0; i < copies.length; i += 2) {
      backend.ops().kvCopy(cache, copies[i], copies[i + 1]);
    }
    Tensor logits = llama.forward(upload(plan), plan.rows(), plan.logitRows().length);
    int vocabulary = model.vocabulary();
    return (index, dst) -> backend.read(logits, (long) index * vocabulary, dst, 0, vocabulary);
  }

  @Override
  public void close() {
    backend.close();
  }

  private StepInputs upload(BatchPlan plan) {
    write(tokenIds, plan.tokenIds());
    write(positions, plan.positions());
    write(slots, plan.slots());
    write(rowSequences, plan.rowSequences());
    write(queryStarts, plan.queryStarts());
    write(blockTables, plan.blockTables());
    write(logitRows, plan.logitRows());
    return new StepInputs(
        tokenIds,
        positions,
        slots,
        rowSequences,
        queryStarts,
        blockTables,
        plan.blockTableStride(),
        logitRows);
  }

  private void write(IntTensor dst, int[] values) {
    backend.write(dst, values, values.length);
  }
}
