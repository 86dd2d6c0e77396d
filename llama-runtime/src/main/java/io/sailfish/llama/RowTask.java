package io.sailfish.llama;

import io.sailfish.llama.engine.SamplingParams;
import java.io.Serializable;
import java.util.List;

/** What is asked of each row. Serializable: it travels from driver to executor by Java or Kryo. */
public sealed interface RowTask extends Serializable permits RowTask.Generate, RowTask.Classify {

  Overflow overflow();

  /**
   * Columns: prompt. Answers the prompt through the model's chat template.
   *
   * @param system system message, or null for the template's own default
   */
  record Generate(String system, SamplingParams params, Overflow overflow) implements RowTask {}

  /**
   * Columns: content. The answer is one of the labels: the one whose whole text is the likeliest
   * continuation of a prompt that lists them (sum of log-probabilities including the end of turn).
   *
   * @param labels at least one, distinct, none empty
   * @param instructions extra sentence for the prompt, or null
   */
  record Classify(List<String> labels, String instructions, Overflow overflow) implements RowTask {
    public Classify {
      labels = List.copyOf(labels);
    }
  }

  /** What to do with a prompt that is longer than the context. */
  enum Overflow {
    /** The row's error, with both token counts. */
    ERROR,
    /** The row's answer is null. */
    NULL,
    /** Tokens are dropped from the beginning of the row's content. */
    TRUNCATE_HEAD,
    /** Tokens are dropped from its end. */
    TRUNCATE_TAIL
  }
}
