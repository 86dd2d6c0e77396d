package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.DeviceMemoryException;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.StreamedLayers;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
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
    } catch (DeviceMemoryException e) {
      backend.close();
      throw cardFull(checkpoint.describe() + " does not fit on the card", e);
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
    contextTokens(model, runtime); // refused before the long part
    long start = System.nanoTime();
    StepMemory steps =
        new StepMemory(model, backend, runtime, checkpoint.tokenizerConfig().stopIds());
    StreamedLayers streamed = WeightPlacement.of(checkpoint, backend, runtime, steps);
    LlamaWeights weights = LlamaWeights.load(checkpoint, backend, streamed);
    LOG.info(
        String.format(
            Locale.ROOT,
            "%s: weights %d MiB in %.2f s",
            checkpoint.describe(),
            weights.bytes() >> 20,
            (System.nanoTime() - start) / 1e9));
    WeightPlacement.announce(model, backend, streamed);
    Loaded loaded =
        new Loaded(model, weights, checkpoint.describe(), checkpoint.tokenizerConfig().stopIds());
    return start(loaded, backend, tokenizer, runtime, chunkTokens);
  }

  /**
   * A model whose weights a backend has.
   *
   * @param description for logs
   * @param stopIds tokens that end an answer
   */
  public record Loaded(
      ModelConfig model, LlamaWeights weights, String description, Set<Integer> stopIds) {}

  /**
   * Starts an engine for weights that are there; otherwise like {@link #load(Checkpoint, Backend,
   * Tokenizer, RuntimeConfig)}.
   */
  public static Engine start(
      Loaded loaded, Backend backend, Tokenizer tokenizer, RuntimeConfig runtime) {
    try {
      return start(loaded, backend, tokenizer, runtime, backend.promptCut());
    } catch (RuntimeException | Error e) {
      backend.close();
      throw e;
    }
  }

  private static Engine start(
      Loaded loaded, Backend backend, Tokenizer tokenizer, RuntimeConfig runtime, int chunkTokens) {
    long start = System.nanoTime();
    ModelConfig model = loaded.model();
    EngineConfig config =
        new StepMemory(model, backend, runtime, loaded.stopIds()).plan(chunkTokens);
    LlamaExecutor executor = new LlamaExecutor(model, loaded.weights(), backend, config);
    long allocated = System.nanoTime();
    if (runtime.batchCap() == 0) {
      BatchCapProbe byHalves = new BatchCapProbe(executor, config);
      BatchCapProbe.Result probe =
          backend.separatesPrompts()
              ? RecordedStepProbe.measure(byHalves::stepNanos, config.batchCap())
              : byHalves.measure();
      config = config.withBatchCap(probe.cap(), probe.reason());
    }
    long end = System.nanoTime();
    LOG.info(
        String.format(
            Locale.ROOT,
            "%s on %s: batch cap %d (%s), context %d tokens, prompt rows a step %d, KV cache %d"
                + " blocks of %d tokens, %d MiB; buffers %.2f s, batch cap %.2f s",
            loaded.description(),
            backend.describe(),
            config.batchCap(),
            config.batchCapReason(),
            config.contextTokens(),
            config.prefillTokens(),
            config.kvBlocks(),
            BLOCK_TOKENS,
            config.kvBytes() >> 20,
            (allocated - start) / 1e9,
            (end - allocated) / 1e9));
    boolean timed = runtime.timelineDir() != null && !runtime.timelineDir().isBlank();
    StepTimeline timeline =
        timed ? StepTimeline.in(Path.of(runtime.timelineDir()), config.name()) : null;
    return Engine.start(executor, tokenizer, config, timeline);
  }

  /** What a card without memory for the model says. */
  public static RuntimeFailure cardFull(String what, DeviceMemoryException e) {
    return new RuntimeFailure(
        Kind.RETRYABLE,
        "%s: %s; nvidia-smi shows who else holds memory of the card, %s how much of it this process may take"
            .formatted(what, e.getMessage(), StepMemory.FRACTION_KEY),
        e);
  }

  static int contextTokens(ModelConfig model, RuntimeConfig runtime) {
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
