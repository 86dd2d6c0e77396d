package io.sailfish.llama;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.kernels.DeviceMemoryException;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.task.EngineRuntime;
import io.sailfish.llama.task.PromptEncoder;
import io.sailfish.llama.template.ChatTemplate;
import io.sailfish.llama.template.TemplateException;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;

/** Loads models. */
public final class LlamaRuntimes {
  private LlamaRuntimes() {}

  /**
   * Loads a model: checkpoint, tokenizer, chat template, backend, engine. The file is not needed
   * any more afterwards.
   *
   * @throws RuntimeFailure of kind USER when file, template or settings are at fault, with the
   *     reason
   */
  public static EngineRuntime open(Path model, RuntimeConfig config) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      ChatTemplate template = template(model, checkpoint, config);
      Tokenizer tokenizer = tokenizer(model, checkpoint);
      try {
        return open(checkpoint, template, tokenizer, config);
      } catch (RuntimeException | Error e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private static EngineRuntime open(
      Checkpoint checkpoint, ChatTemplate template, Tokenizer tokenizer, RuntimeConfig config) {
    Backend backend = backend(config);
    Engine engine = LlamaEngine.load(checkpoint, backend, tokenizer, config);
    String name = checkpoint.config().name();
    String description = checkpoint.describe();
    int context = engine.config().contextTokens();
    RuntimeInfo info =
        new RuntimeInfo(
            name,
            description.startsWith(name + ", ")
                ? description.substring(name.length() + 2)
                : description,
            backend.describe(), // once the weights are there: it tells where
            engine.config().batchCap(),
            engine.config().batchCapReason(),
            context);
    PromptEncoder encoder =
        new PromptEncoder(tokenizer, template, checkpoint.tokenizerConfig(), name, context);
    return new EngineRuntime(
        info, engine, tokenizer, new ArrowMemory(config.arrowBytes()), encoder);
  }

  /**
   * An opened model's tokenizer. Closed by the caller.
   *
   * @param model the path that messages name
   */
  public static Tokenizer tokenizer(Path model, Checkpoint checkpoint) {
    try {
      return HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig());
    } catch (RuntimeFailure e) {
      String message = String.valueOf(e.getMessage());
      throw message.startsWith(model.toString())
          ? e
          : new RuntimeFailure(e.kind(), model + ": " + message, e);
    }
  }

  /**
   * An opened model's chat template, or the one that the settings give instead; null without.
   *
   * @param model the path that messages name
   */
  public static ChatTemplate template(Path model, Checkpoint checkpoint, RuntimeConfig config) {
    boolean given = config.chatTemplate() != null && !config.chatTemplate().isBlank();
    String source = given ? config.chatTemplate() : checkpoint.chatTemplate().orElse(null);
    Instant now =
        config.templateTime() == null ? Instant.now() : Instant.parse(config.templateTime());
    try {
      return source == null ? null : ChatTemplate.parse(source, Clock.fixed(now, ZoneOffset.UTC));
    } catch (TemplateException e) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s %s; another one can be given with spark.sailfish.model.chatTemplate"
              .formatted(given ? "the given" : model + ": its", e.getMessage()),
          e);
    }
  }

  private static Backend backend(RuntimeConfig config) {
    try {
      return Backends.open(config.backend());
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new RuntimeFailure(Kind.USER, e.getMessage(), e);
    } catch (DeviceMemoryException e) {
      throw LlamaEngine.cardFull("the card cannot be opened", e);
    }
  }
}
