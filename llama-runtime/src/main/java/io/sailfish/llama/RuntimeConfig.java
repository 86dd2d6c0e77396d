package io.sailfish.llama;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import java.io.Serializable;

/**
 * How to load and run a model.
 *
 * @param backend {@code auto}, {@code cpu} or {@code cuda}
 * @param threads threads of the CPU backend, 0 = all processors the JVM sees
 * @param batchCap rows a step, 0 = measured at load
 * @param kvBytes memory for keys and values, 0 = {@code batchCap} rows of 256 tokens, at least one
 *     sequence of the context, otherwise at most half of what is free
 * @param contextTokens longest sequence, 0 = the model's own
 * @param prefillChunk tokens of prompt a step computes at most, 0 = as the backend likes best
 * @param prefixReuse whether shared prompt prefixes are computed once
 * @param arrowBytes cap of off-heap memory for rows in flight
 * @param chatTemplate Jinja text to use instead of the model's own, or null
 * @param templateTime the time (ISO 8601 instant) that a template sees, so that answers are the
 *     same on all executors; null = when the model is loaded
 * @param card address of the card to use, null = the first ({@link BackendRequest})
 * @param cardMemoryFraction share of the card's memory that may be taken
 * @param activations type of activations, keys and values on a card
 * @param timelineDir folder for a timeline of the engine's steps, null or empty = none
 * @param speculation whether it is guessed how answers go on: {@code auto}, {@code on}, {@code
 *     always} or {@code off}; the answers are the same
 * @param streaming whether weights that have no room on the card stay on the host and come to it in
 *     every step: {@code auto}, or {@code off} for a refusal; the answers are the same
 */
public record RuntimeConfig(
    String backend,
    int threads,
    int batchCap,
    long kvBytes,
    int contextTokens,
    int prefillChunk,
    boolean prefixReuse,
    long arrowBytes,
    String chatTemplate,
    String templateTime,
    String card,
    double cardMemoryFraction,
    TwoByteFloat activations,
    String timelineDir,
    String speculation,
    String streaming)
    implements Serializable {
  private static final String AUTO = "auto";

  /** Any card, and most of its memory. */
  public RuntimeConfig(
      String backend,
      int threads,
      int batchCap,
      long kvBytes,
      int contextTokens,
      int prefillChunk,
      boolean prefixReuse,
      long arrowBytes,
      String chatTemplate,
      String templateTime) {
    this(
        backend,
        threads,
        batchCap,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        null,
        BackendRequest.MEMORY_FRACTION,
        TwoByteFloat.F16,
        null,
        AUTO,
        AUTO);
  }

  /** The defaults of all. */
  public static RuntimeConfig defaults() {
    return new RuntimeConfig(AUTO, 0, 0, 0L, 0, 0, true, 256L << 20, null, null);
  }

  /** The same on another backend or card. */
  public RuntimeConfig on(BackendRequest request) {
    return new RuntimeConfig(
        request.id(),
        request.threads(),
        batchCap,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        request.card(),
        request.memoryFraction(),
        request.activations(),
        timelineDir,
        speculation,
        streaming);
  }

  /** The same with another batch cap. */
  public RuntimeConfig withBatchCap(int rows) {
    return new RuntimeConfig(
        backend,
        threads,
        rows,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        timelineDir,
        speculation,
        streaming);
  }

  /** The same with a timeline of its steps in a folder; null for none. */
  public RuntimeConfig withTimeline(String folder) {
    return new RuntimeConfig(
        backend,
        threads,
        batchCap,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        folder,
        speculation,
        streaming);
  }

  /** The same with other memory for keys and values. */
  public RuntimeConfig withKvBytes(long bytes) {
    return new RuntimeConfig(
        backend,
        threads,
        batchCap,
        bytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        timelineDir,
        speculation,
        streaming);
  }

  /** The same with another longest sequence. */
  public RuntimeConfig withContextTokens(int tokens) {
    return new RuntimeConfig(
        backend,
        threads,
        batchCap,
        kvBytes,
        tokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        timelineDir,
        speculation,
        streaming);
  }

  /** The same with or without guesses how answers go on. */
  public RuntimeConfig withSpeculation(String setting) {
    return new RuntimeConfig(
        backend,
        threads,
        batchCap,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        timelineDir,
        setting,
        streaming);
  }

  /** The same with or without weights on the host. */
  public RuntimeConfig withStreaming(String setting) {
    return new RuntimeConfig(
        backend,
        threads,
        batchCap,
        kvBytes,
        contextTokens,
        prefillChunk,
        prefixReuse,
        arrowBytes,
        chatTemplate,
        templateTime,
        card,
        cardMemoryFraction,
        activations,
        timelineDir,
        speculation,
        setting);
  }

  /** What to open. */
  public BackendRequest backendRequest() {
    return new BackendRequest(backend, threads, card, cardMemoryFraction, activations);
  }
}
