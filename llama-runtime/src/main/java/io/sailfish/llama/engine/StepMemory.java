package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.ModelConfig;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shares out what is free after the weights are loaded, before any of it is taken: activations,
 * workspaces and recordings of the largest step first, then keys and values. Where that leaves no
 * room for one sequence of the context, steps become smaller, and a device that has no room for a
 * step of one row is refused with the numbers.
 */
final class StepMemory {
  static final String FRACTION_KEY = "spark.sailfish.gpu.memoryFraction";
  private static final String CAP_KEY = "spark.sailfish.engine.batchCap";
  private static final Logger LOG = LoggerFactory.getLogger(StepMemory.class);

  /** Tiles are padded and memory is taken in size classes. */
  private static final double ROUNDING = 1.15;

  private final ModelConfig model;
  private final Backend backend;
  private final RuntimeConfig runtime;
  private final Set<Integer> stopIds;
  private final int context;

  StepMemory(ModelConfig model, Backend backend, RuntimeConfig runtime, Set<Integer> stopIds) {
    this.model = model;
    this.backend = backend;
    this.runtime = runtime;
    this.stopIds = stopIds;
    this.context = LlamaEngine.contextTokens(model, runtime);
  }

  /**
   * The engine's sizes, with the largest batch cap that there is memory for.
   *
   * @param chunkTokens prompts are cut at multiples of it
   */
  EngineConfig plan(int chunkTokens) {
    boolean capSet = runtime.batchCap() > 0;
    int largest = capSet ? runtime.batchCap() : backend.largestBatch();
    long blockBytes = blockBytes();
    long free = backend.freeBytes();
    EngineConfig config = config(largest, chunkTokens, blockBytes);
    while (backend.ownsFreeBytes() && free - stepBytes(config) < contextBytes(config)) {
      if (config.batchCap() == 1) {
        throw refused(config, free);
      }
      config = config(config.batchCap() / 2, chunkTokens, blockBytes);
    }
    int cap = config.batchCap();
    if (cap < largest) {
      LOG.warn("{}: {} rows a step instead of {}, for want of memory", model.name(), cap, largest);
      config = config.withBatchCap(cap, "for want of memory, instead of " + largest);
    }
    long kvFree = backend.ownsFreeBytes() ? free - stepBytes(config) : free;
    KvSizing sizing =
        new KvSizing(
            context, LlamaEngine.BLOCK_TOKENS, blockBytes, kvFree, backend.ownsFreeBytes());
    return config.withKvBlocks(sizing.blocks(runtime.kvBytes(), cap));
  }

  /**
   * Bytes that steps of {@code rows} rows take beside the weights, with keys and values for as many
   * rows of tables, and for one context at least.
   */
  long bytes(int rows) {
    EngineConfig config = config(rows, 1, blockBytes());
    long rowBlocks = (Math.min(context, KvSizing.TOKENS_PER_ROW) - 1L) / config.blockTokens() + 1;
    long kv = Math.max(contextBytes(config), rows * rowBlocks * config.blockBytes());
    return stepBytes(config) + Math.max(kv, runtime.kvBytes());
  }

  private long blockBytes() {
    return backend.kvBlockBytes(model.layers(), LlamaEngine.BLOCK_TOKENS, model.attention());
  }

  private EngineConfig config(int cap, int chunkTokens, long blockBytes) {
    int prefill = runtime.prefillChunk() > 0 ? runtime.prefillChunk() : backend.promptRows();
    return new EngineConfig(
        model.name(),
        cap,
        "set by " + CAP_KEY,
        context,
        (context + LlamaEngine.BLOCK_TOKENS - 1) / LlamaEngine.BLOCK_TOKENS,
        LlamaEngine.BLOCK_TOKENS,
        blockBytes,
        prefill,
        Math.min(chunkTokens, prefill),
        runtime.prefixReuse(),
        stopIds,
        Drafting.of(runtime.speculation()));
  }

  private static long contextBytes(EngineConfig config) {
    return config.contextBlocks() * config.blockBytes();
  }

  private long stepBytes(EngineConfig config) {
    int stride = LlamaExecutor.replayStride(config.contextBlocks());
    LlamaModel.Sizes sizes = LlamaExecutor.sizes(backend, config);
    return (long) (sizes.bytes(model, backend.floatBytes()) * ROUNDING)
        + backend.stepBytes(model.attention(), sizes.decodeRows(), stride);
  }

  private RuntimeFailure refused(EngineConfig config, long free) {
    return new RuntimeFailure(
        Kind.USER,
        ("%s: after the weights %,d bytes of the device are free to this process; a step of one row"
                + " takes %,d and one sequence of the context of %d tokens %,d; lower %s, or raise"
                + " %s (nvidia-smi shows who else holds memory of the card)")
            .formatted(
                model.name(),
                free,
                stepBytes(config),
                context,
                contextBytes(config),
                KvSizing.CONTEXT_KEY,
                FRACTION_KEY),
        null);
  }
}
