package io.sailfish.llama.task;

import io.sailfish.llama.template.Message;
import io.sailfish.llama.template.TemplateException;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/** Which of a model's stop tokens ends the assistant's turn. */
final class EndOfTurn {
  private EndOfTurn() {}

  /**
   * The first stop token after the answer in a conversation that the template has rendered, as that
   * is what the model was trained on; without a template, eos.
   */
  static int of(PromptEncoder encoder) {
    Set<Integer> stops = encoder.config().stopIds();
    if (encoder.hasTemplate()) {
      Message question = new Message("user", "a");
      try {
        int[] prompt = encoder.encode(List.of(question), true);
        int[] turn = encoder.encode(List.of(question, new Message("assistant", "b")), false);
        for (int i = common(prompt, turn); i < turn.length; i++) {
          if (stops.contains(turn[i])) {
            return turn[i];
          }
        }
      } catch (TemplateException e) {
        // A template without assistant turns: eos, as below.
      }
    }
    int[] eos = encoder.encodeSpecials(encoder.config().eosText());
    return eos.length > 0 && stops.contains(eos[eos.length - 1])
        ? eos[eos.length - 1]
        : Collections.min(stops);
  }

  private static int common(int[] a, int[] b) {
    int length = 0;
    while (length < Math.min(a.length, b.length) && a[length] == b[length]) {
      length++;
    }
    return length;
  }
}
