package io.sailfish.llama.engine;

import io.sailfish.kernels.choice.TokenChooser;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult.Finish;
import java.util.Map;

/** Makes tokens and scores of what steps computed. Confined to the engine's thread. */
final class StepOutputs {
  private static final String ACTIVATIONS_KEY = "spark.sailfish.gpu.activations";

  /** Who hears of rows that have ended. */
  interface Ends {
    void finished(Row row, Finish finish);

    void failed(Row row, RuntimeFailure failure);
  }

  private final EngineConfig config;
  private final EngineCounters counters;
  private final Map<Sequence, Row> rows;
  private final Ends ends;
  private final TokenChooser chooser;
  private final float[] logits;
  private final float largestActivation;

  /** Of the row of logits that was scored here last. */
  private double normalizer;

  /**
   * @param rows the engine's own map, in which {@code ends} no longer has what has ended
   */
  StepOutputs(
      EngineConfig config,
      StepExecutor executor,
      EngineCounters counters,
      Map<Sequence, Row> rows,
      Ends ends) {
    this.config = config;
    this.counters = counters;
    this.rows = rows;
    this.ends = ends;
    this.chooser = new TokenChooser(executor.vocabulary());
    this.logits = new float[executor.vocabulary()];
    this.largestActivation = executor.largestActivation();
  }

  /** Rows that have ended since the step was queued are passed over. */
  void apply(BatchPlan plan, StepExecutor.Logits output, StepUse use) {
    long now = System.nanoTime();
    int scored = 0;
    for (int i = 0; i < plan.parts().size(); i++) {
      BatchPlan.Part part = plan.parts().get(i);
      scored += part.scored();
      Row row = rows.get(part.sequence());
      if (row == null) {
        continue;
      }
      note(row, plan, now);
      row.device = row.device.plus(use.of(part, plan.decodes(i)));
      if (part.scored() > 0) {
        score(row, part, scored - part.scored(), output);
      } else if (part.logits() > 0) {
        go(row, plan, i, output);
      }
    }
  }

  private void note(Row row, BatchPlan plan, long now) {
    row.steps++;
    row.stepRows += plan.parts().size();
    if (!row.started) {
      row.started = true;
      row.waitNanos = now - row.tickets.get(0).submittedNanos();
      counters.waitNanos += row.waitNanos;
      counters.promptTokens += row.sequence.promptLength();
      counters.reusedTokens += row.sequence.reusedTokens();
    }
  }

  /**
   * One token, and further ones as long as what was drafted is what is chosen: each from the logits
   * after all tokens before it, as if there were no drafts.
   */
  private void go(Row row, BatchPlan plan, int index, StepExecutor.Logits output) {
    BatchPlan.Part part = plan.parts().get(index);
    Sequence sequence = row.sequence;
    int draft = plan.queryStarts()[index] + part.rows() - part.drafts();
    int accepted = 0;
    while (choose(row, output, part.firstLogit() + accepted)
        && accepted < part.drafts()
        && sequence.token(sequence.known() - 1) == plan.tokenIds()[draft + accepted]) {
      sequence.confirm();
      accepted++;
    }
    if (part.drafts() > 0) {
      counters.draftedTokens += part.drafts();
      counters.acceptedTokens += accepted;
      row.device = row.device.plus(DeviceUse.drafts(part.drafts(), accepted));
    }
  }

  /** Returns whether the row goes on. */
  private boolean choose(Row row, StepExecutor.Logits output, int index) {
    Sequence sequence = row.sequence;
    int token = output.hasToken(index) ? output.token(index) : chosenHere(row, output, index);
    if (token < 0) {
      fail(row, token);
      return false;
    }
    counters.outputTokens++;
    if (config.stopIds().contains(token)) {
      ends.finished(row, Finish.STOP);
      return false;
    }
    sequence.append(token);
    boolean stopped = row.text != null && row.text.append(token);
    if (stopped || isLast(row, sequence.known())) {
      ends.finished(row, stopped ? Finish.STOP : Finish.LENGTH);
      return false;
    }
    return true;
  }

  private int chosenHere(Row row, StepExecutor.Logits output, int index) {
    Sequence sequence = row.sequence;
    output.read(index, logits);
    return chooser.choose(logits, sequence.choice(), sequence.tokens(), sequence.known(), null);
  }

  /** Whether a row of {@code length} tokens gets no more, whatever they are. */
  boolean isLast(Row row, int length) {
    return length - row.sequence.promptLength() >= row.params.maxTokens()
        || length > config.contextTokens();
  }

  /**
   * @param first place of the part's first token among those that the step scores
   */
  private void score(Row row, BatchPlan.Part part, int first, StepExecutor.Logits output) {
    int continuation = part.continuation();
    if (continuation >= 0 && part.offset() == 0) {
      row.restLogProbs[continuation] = 0;
    }
    for (int i = 0; i < part.scored(); i++) {
      double logProb =
          output.hasLogProbs() ? output.logProb(first + i) : scoredHere(part, i, output);
      if (Double.isNaN(logProb)) {
        fail(row, TokenChooser.NOT_A_NUMBER);
        return;
      }
      if (continuation < 0) {
        row.firstLogProbs[i] = logProb;
      } else {
        row.restLogProbs[continuation] += logProb;
      }
    }
    counters.scoredTokens += part.scored();
    if (part.endsScoring()) {
      ends.finished(row, Finish.SCORED);
    }
  }

  private double scoredHere(BatchPlan.Part part, int index, StepExecutor.Logits output) {
    if (index == 0 || part.scoredRow(index) != part.scoredRow(index - 1)) {
      output.read(part.scoredRow(index), logits);
      normalizer = LogProbs.logSumExp(logits);
    }
    return logits[part.scoredToken(index)] - normalizer;
  }

  /**
   * @param why what {@link TokenChooser} says instead of a token
   */
  private void fail(Row row, int why) {
    String what = why == TokenChooser.NO_TOKEN ? "leave no token to choose" : notNumbers();
    String message =
        "%s: the logits at position %d %s".formatted(config.name(), row.sequence.known() - 1, what);
    ends.failed(row, new RuntimeFailure(Kind.USER, message, null));
  }

  private String notNumbers() {
    return largestActivation == Float.MAX_VALUE
        ? "are not numbers"
        : "are not numbers; that is what activations beyond fp16's %.0f lead to, which %s=bf16 holds"
            .formatted(largestActivation, ACTIVATIONS_KEY);
  }
}
