package io.sailfish.llama.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Rows of a step that are computed together, all by the same operators (docs/adr/0008).
 *
 * @param kind which operators
 * @param rows rows of the plan, ascending
 * @param logits which of the plan's logit rows are among them; {@code logitRows[logits[i]]} is row
 *     {@code logitPlaces[i]} of this pass
 * @param logitPlaces see {@code logits}
 */
record StepPass(Kind kind, int[] rows, int[] logits, int[] logitPlaces) {
  enum Kind {
    /** One token each of different sequences. */
    DECODE,
    /** Tokens of prompts, and of continuations that are scored. */
    PROMPT,
    /** Tokens of answers that are computed again, several of a sequence. */
    AGAIN,
    /** Tokens of answers and drafts of those after them, several of a sequence. */
    DRAFTED
  }

  boolean isDrafted() {
    return kind == Kind.DRAFTED;
  }

  /**
   * The passes of a step in the order in which they have to run. A token of an answer goes through
   * the operators of decoding also when it is computed again. Decoding rows come first: nobody in
   * the step waits for others' tokens but prompts for prompts. Answers that are computed again come
   * last, since their own prompts may be in the step. Where there are drafts, all that decodes is
   * one pass: the weights are read once.
   *
   * @param mostDecoded rows of one decoding pass
   */
  static List<StepPass> of(BatchPlan plan, int mostDecoded) {
    List<Integer> decode = new ArrayList<>();
    List<Integer> prompt = new ArrayList<>();
    List<Integer> again = new ArrayList<>();
    boolean drafted = plan.drafts() > 0;
    int row = 0;
    for (int i = 0; i < plan.parts().size(); i++) {
      BatchPlan.Part part = plan.parts().get(i);
      boolean goesOn = drafted ? plan.decodes(i) : part.rows() == 1;
      for (int end = row + part.rows(); row < end; row++) {
        boolean answer =
            part.continuation() < 0 && plan.positions()[row] >= part.sequence().promptLength();
        (!answer ? prompt : goesOn ? decode : again).add(row);
      }
    }
    List<StepPass> passes = new ArrayList<>();
    slice(plan, drafted ? Kind.DRAFTED : Kind.DECODE, decode, mostDecoded, passes);
    slice(plan, Kind.PROMPT, prompt, Integer.MAX_VALUE, passes);
    slice(plan, Kind.AGAIN, again, mostDecoded, passes);
    return passes;
  }

  private static void slice(
      BatchPlan plan, Kind kind, List<Integer> rows, int most, List<StepPass> passes) {
    for (int from = 0; from < rows.size(); from += Math.min(most, rows.size())) {
      int to = (int) Math.min(rows.size(), (long) from + most);
      int[] chosen = rows.subList(from, to).stream().mapToInt(Integer::intValue).toArray();
      passes.add(of(plan, kind, chosen));
    }
  }

  private static StepPass of(BatchPlan plan, Kind kind, int[] rows) {
    int[] wanted = plan.logitRows();
    int[] logits = new int[wanted.length];
    int[] places = new int[wanted.length];
    int count = 0;
    int place = 0;
    for (int i = 0; i < wanted.length; i++) {
      while (place < rows.length && rows[place] < wanted[i]) {
        place++;
      }
      if (place < rows.length && rows[place] == wanted[i]) {
        logits[count] = i;
        places[count++] = place;
      }
    }
    return new StepPass(kind, rows, Arrays.copyOf(logits, count), Arrays.copyOf(places, count));
  }
}
