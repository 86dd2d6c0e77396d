package io.sailfish.llama.task;

import io.sailfish.llama.RowTask;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.task.PromptEncoder.Prompt;
import io.sailfish.llama.task.PromptEncoder.Room;
import io.sailfish.llama.template.Message;
import java.util.List;

/** A prompt answered through the model's chat template. */
final class GenerateWork implements RowWork {
  private final RowTask.Generate task;
  private final PromptEncoder encoder;
  private final Room room;

  GenerateWork(RowTask.Generate task, PromptEncoder encoder) {
    if (!encoder.hasTemplate()) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s has no chat template, so a prompt cannot be put to it; give one (Jinja text) with spark.sailfish.model.chatTemplate"
              .formatted(encoder.model()),
          null);
    }
    this.task = task;
    this.encoder = encoder;
    // At least one token of answer; where content is cut anyway, room for the answer asked for,
    // but for half of the context at most.
    int context = encoder.contextTokens();
    this.room = new Room(context - 1, context - Math.min(task.params().maxTokens(), context / 2));
  }

  @Override
  public Prepared prepare(String content) {
    Prompt prompt = encoder.fit(this::messages, content, room, task.overflow());
    if (prompt == null) {
      return new Answered(null, true);
    }
    int left = encoder.contextTokens() - prompt.tokens().length;
    return new ToEngine(
        GenerationRequest.generate(prompt.tokens(), atMost(left)), prompt.truncated());
  }

  private List<Message> messages(String content) {
    Message user = new Message("user", content);
    return task.system() == null
        ? List.of(user)
        : List.of(new Message("system", encoder.escape(task.system())), user);
  }

  /** Prompt and answer together fit the context. */
  private SamplingParams atMost(int tokens) {
    SamplingParams p = task.params();
    return p.maxTokens() <= tokens
        ? p
        : new SamplingParams(
            tokens,
            p.temperature(),
            p.topK(),
            p.topP(),
            p.minP(),
            p.repetitionPenalty(),
            p.seed(),
            p.stop());
  }

  @Override
  public String answer(GenerationResult result) {
    return result.text();
  }
}
