package io.sailfish.llama.task;

import io.sailfish.llama.RowTask;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.task.PromptEncoder.Prompt;
import io.sailfish.llama.task.PromptEncoder.Room;
import io.sailfish.llama.template.Message;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * One of the labels for a text. Each label is scored as a whole, with the end of turn, after a
 * prompt that lists them; what the label would score for no text at all is taken off, or a small
 * model's taste for a word would decide. Of equal scores the first label wins.
 */
final class ClassifyWork implements RowWork {
  /** Stands for a text that says nothing. */
  private static final String NO_TEXT = "N/A";

  private final RowTask.Classify task;
  private final PromptEncoder encoder;
  private final List<int[]> continuations;
  private final Room room;
  private final Ticket baseline;

  /**
   * @param endOfTurn token that ends an answer
   * @param submit to the engine
   */
  ClassifyWork(
      RowTask.Classify task,
      PromptEncoder encoder,
      int endOfTurn,
      Function<GenerationRequest, Ticket> submit) {
    this.task = task;
    this.encoder = encoder;
    this.continuations =
        task.labels().stream().map(label -> ended(encoder.encodeText(label), endOfTurn)).toList();
    int longest = continuations.stream().mapToInt(tokens -> tokens.length).max().orElseThrow();
    int most = encoder.contextTokens() - longest;
    this.room = new Room(most, most);
    this.baseline =
        isDecided()
            ? null
            : submit.apply(
                GenerationRequest.score(
                    encoder.encode(messages(encoder.escape(NO_TEXT)), true), continuations));
  }

  private static int[] ended(int[] label, int endOfTurn) {
    int[] tokens = Arrays.copyOf(label, label.length + 1);
    tokens[label.length] = endOfTurn;
    return tokens;
  }

  private boolean isDecided() {
    return task.labels().size() == 1;
  }

  @Override
  public Ticket prerequisite() {
    return baseline;
  }

  @Override
  public Prepared prepare(String content) {
    if (isDecided()) {
      return new Answered(task.labels().get(0), false);
    }
    Prompt prompt = encoder.fit(this::messages, content, room, task.overflow());
    if (prompt == null) {
      return new Answered(null, true);
    }
    return new ToEngine(
        GenerationRequest.score(prompt.tokens(), continuations), prompt.truncated());
  }

  /** Each label is its own example: that is how small models see what is asked of them. */
  private List<Message> messages(String content) {
    StringBuilder text = new StringBuilder();
    text.append("Answer with exactly one of these labels: ")
        .append(encoder.escape(String.join(", ", task.labels())))
        .append('.');
    if (task.instructions() != null) {
      text.append(' ').append(encoder.escape(task.instructions()));
    }
    text.append("\n\n");
    for (String label : task.labels()) {
      String safe = encoder.escape(label);
      text.append("Text: ").append(safe).append("\nLabel: ").append(safe).append("\n\n");
    }
    text.append("Text: ").append(content).append("\nLabel:");
    return List.of(new Message("user", text.toString()));
  }

  @Override
  public String answer(GenerationResult result) {
    double[] scores = result.logProbs();
    double[] nothing = baseline.join().logProbs();
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      if (scores[i] - nothing[i] > scores[best] - nothing[best]) {
        best = i;
      }
    }
    return task.labels().get(best);
  }
}
