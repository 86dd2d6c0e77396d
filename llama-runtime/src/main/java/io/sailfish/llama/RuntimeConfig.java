package io.sailfish.llama;

import io.sailfish.kernels.BackendRequest;
import java.io.Serializable;
import java.util.function.Consumer;

/**
 * How to load and run a model.
 *
 * @param backend what computes, and what a card's memory and numbers are
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
 * @param timelineDir folder for a timeline of the engine's steps, null or empty = none
 * @param speculation whether it is guessed how answers go on: {@code auto}, {@code on}, {@code
 *     always} or {@code off}; the answers are the same
 * @param streaming whether weights that have no room on the card stay on the host and come to it in
 *     every step: {@code auto}, or {@code off} for a refusal; the answers are the same
 */
public record RuntimeConfig(
    BackendRequest backend,
    int batchCap,
    long kvBytes,
    int contextTokens,
    int prefillChunk,
    boolean prefixReuse,
    long arrowBytes,
    String chatTemplate,
    String templateTime,
    String timelineDir,
    String speculation,
    String streaming)
    implements Serializable {
  /** The defaults of all. */
  public static RuntimeConfig defaults() {
    return new Values().made();
  }

  /** The same on another backend or card. */
  public RuntimeConfig on(BackendRequest request) {
    return with(values -> values.backend = request);
  }

  /** The same with another batch cap. */
  public RuntimeConfig withBatchCap(int rows) {
    return with(values -> values.batchCap = rows);
  }

  /** The same with other memory for keys and values. */
  public RuntimeConfig withKvBytes(long bytes) {
    return with(values -> values.kvBytes = bytes);
  }

  /** The same with another longest sequence. */
  public RuntimeConfig withContextTokens(int tokens) {
    return with(values -> values.contextTokens = tokens);
  }

  /** The same with another limit to the prompt tokens of a step. */
  public RuntimeConfig withPrefillChunk(int tokens) {
    return with(values -> values.prefillChunk = tokens);
  }

  /** The same with shared beginnings of prompts computed once, or not. */
  public RuntimeConfig withPrefixReuse(boolean reuse) {
    return with(values -> values.prefixReuse = reuse);
  }

  /** The same with other memory for rows in flight. */
  public RuntimeConfig withArrowBytes(long bytes) {
    return with(values -> values.arrowBytes = bytes);
  }

  /** The same with another chat template; null for the model's own. */
  public RuntimeConfig withChatTemplate(String jinja) {
    return with(values -> values.chatTemplate = jinja);
  }

  /** The same with another time that templates see; null for that of loading. */
  public RuntimeConfig withTemplateTime(String instant) {
    return with(values -> values.templateTime = instant);
  }

  /** The same with a timeline of its steps in a folder; null for none. */
  public RuntimeConfig withTimeline(String folder) {
    return with(values -> values.timelineDir = folder);
  }

  /** The same with or without guesses how answers go on. */
  public RuntimeConfig withSpeculation(String setting) {
    return with(values -> values.speculation = setting);
  }

  /** The same with or without weights on the host. */
  public RuntimeConfig withStreaming(String setting) {
    return with(values -> values.streaming = setting);
  }

  private RuntimeConfig with(Consumer<Values> change) {
    Values values = new Values(this);
    change.accept(values);
    return values.made();
  }

  /** A configuration in the making; of defaults at first. */
  private static final class Values {
    private BackendRequest backend = BackendRequest.of("auto", 0);
    private int batchCap;
    private long kvBytes;
    private int contextTokens;
    private int prefillChunk;
    private boolean prefixReuse = true;
    private long arrowBytes = 256L << 20;
    private String chatTemplate;
    private String templateTime;
    private String timelineDir;
    private String speculation = "auto";
    private String streaming = "auto";

    Values() {}

    Values(RuntimeConfig from) {
      backend = from.backend;
      batchCap = from.batchCap;
      kvBytes = from.kvBytes;
      contextTokens = from.contextTokens;
      prefillChunk = from.prefillChunk;
      prefixReuse = from.prefixReuse;
      arrowBytes = from.arrowBytes;
      chatTemplate = from.chatTemplate;
      templateTime = from.templateTime;
      timelineDir = from.timelineDir;
      speculation = from.speculation;
      streaming = from.streaming;
    }

    RuntimeConfig made() {
      return new RuntimeConfig(
          backend,
          batchCap,
          kvBytes,
          contextTokens,
          prefillChunk,
          prefixReuse,
          arrowBytes,
          chatTemplate,
          templateTime,
          timelineDir,
          speculation,
          streaming);
    }
  }
}
