package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Loads a Llama into an {@link Engine}. */
public final class LlamaEngine {
  private static final Logger LOG = LoggerFactory.getLogger(LlamaEngine.class);

  /**
   * Tokens a KV block: small enough that a shared prefix loses little at its end, large enough that
   * block tables stay short.
   */
  static final int BLOCK_TOKENS = 16;

  private LlamaEngine() {}

  /**
   * Packs the weights, sizes the KV cache, measures the batch cap unless it is set, and starts the
   * engine.
   *
   * @param checkpoint read now and not kept; its opener closes it
   * @param backend taken over: the engine closes it, also when loading fails
   * @param tokenizer stays the caller's and has to outlive the engine
   * @throws RuntimeFailure with USER when the memory cannot hold one sequence of the context
   */
  public static Engine load(
      Checkpoint checkpoint, Backend backend, Tokenizer tokenizer, RuntimeConfig runtime) {
    return load(checkpoint, backend, tokenizer, runtime, backend.promptCut());
  }

  /**
   * The same with prompts cut elsewhere.
   *
   * @param chunkTokens prompts are cut at multiples of it; 1 = wherever a step is full, to measure
   *     what fixed cuts cost
   */
  public static Engine load(
      Checkpoint checkpoint,
      Backend backend,
      Tokenizer tokenizer,
      RuntimeConfig runtime,
      int chunkTokens) {
    try {
      return loadInto(checkpoint, backend, tokenizer, runtime, chunkTokens);
    } catch (RuntimeException | Error e) {
      backend.close();
      throw e;
    }
  }

  private static Engine loadInto(
      Checkpoint checkpoint,
      Backend backend,
      Tokenizer tokenizer,
      RuntimeConfig runtime,
      int chunkTokens) {
    ModelConfig model = checkpoint.config();
    int context = contextTokens(model, runtime);
    long start = System.nanoTime();
    LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
    long packed = System.nanoTime();
    boolean capSet = runtime.batchCap() > 0;
    int largestCap = capSet ? runtime.batchCap() : BatchCapProbe.LARGEST;
    KvSizing sizing =
        new KvSizing(
            context,
            BLOCK_TOKENS,
            backend.kvBlockBytes(model.layers(), BLOCK_TOKENS, model.attention()),
            backend.freeBytes());
    EngineConfig config =
        new EngineConfig(
            model.name(),
            largestCap,
            "set by spark.sailfish.engine.batchCap",
            context,
            sizing.blocks(runtime.kvBytes(), largestCap),
            BLOCK_TOKENS,
            sizing.blockBytes(),
            runtime.prefillChunk(),
            Math.min(chunkTokens, runtime.prefillChunk()),
            runtime.prefixReuse(),
            checkpoint.tokenizerConfig().stopIds());
    LlamaExecutor executor = new LlamaExecutor(model, weights, backend, config);
    long allocated = System.nanoTime();
    if (!capSet) {
      BatchCapProbe.Result probe = new BatchCapProbe(executor, config).measure();
      config = config.withBatchCap(probe.cap(), probe.reason());
    }
    long end = System.nanoTime();
    LOG.info(
        String.format(
            Locale.ROOT,
            "%s on %s: batch cap %d (%s), context %d tokens, KV cache %d blocks of %d tokens, %d"
                + " MiB; weights %d MiB in %.2f s, buffers %.2f s, batch cap %.2f s",
            checkpoint.describe(),
            backend.describe(),
            config.batchCap(),
            config.batchCapReason(),
            context,
            config.kvBlocks(),
            BLOCK_TOKENS,
            config.kvBytes() >> 20,
            weights.bytes() >> 20,
            (packed - start) / 1e9,
            (allocated - packed) / 1e9,
            (end - allocated) / 1e9));
    return Engine.start(executor, tokenizer, config);
  }

  private static int contextTokens(ModelConfig model, RuntimeConfig runtime) {
    if (runtime.contextTokens() > model.context()) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s=%d is more than the %d tokens that %s was made for"
              .formatted(
                  KvSizing.CONTEXT_KEY, runtime.contextTokens(), model.context(), model.name()),
          null);
    }
    return runtime.contextTokens() > 0 ? runtime.contextTokens() : model.context();
  }
}
