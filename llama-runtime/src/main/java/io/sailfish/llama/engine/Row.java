package io.sailfish.llama.engine;

import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.engine.GenerationResult.Finish;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The engine's side of one sequence: who waits for it, its text so far, its scores. Confined to the
 * engine's thread until it has ended.
 */
final class Row {
  /** Requests with equal keys have equal answers. Prompts are compared by content. */
  record Key(Ints prompt, SamplingParams params, List<Ints> continuations) {
    static Key of(GenerationRequest request) {
      return new Key(
          new Ints(request.prompt()),
          request.params(),
          request.continuations().stream().map(Ints::new).toList());
    }
  }

  /** An int array by content. */
  record Ints(int[] values) {
    @Override
    public boolean equals(Object other) {
      return other instanceof Ints ints && Arrays.equals(values, ints.values);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(values);
    }
  }

  final Key key;
  final Sequence sequence;
  final SamplingParams params;
  final List<Ticket> tickets = new ArrayList<>(1);

  /** Null when no stop strings are asked for: the text is then made at the end. */
  final AnswerText text;

  /** Scoring: log-probability of each continuation's first token, from the prompt's last row. */
  final double[] firstLogProbs;

  /** Scoring: sum over the other tokens computed so far. */
  final double[] restLogProbs;

  /** Null until drafts are looked for. */
  RowDrafts drafts;

  boolean started;
  long waitNanos;
  long steps;
  long stepRows;
  DeviceUse device = DeviceUse.NONE;

  Row(Key key, Ticket ticket, Tokenizer tokenizer) {
    GenerationRequest request = ticket.request();
    this.key = key;
    this.params = request.params();
    this.sequence =
        new Sequence(request.prompt(), request.continuations(), params.choice(request.prompt()));
    this.text =
        params.stop().isEmpty() || sequence.scores()
            ? null
            : new AnswerText(tokenizer.streamingDecoder(), params.stop());
    this.firstLogProbs = new double[request.continuations().size()];
    this.restLogProbs = new double[firstLogProbs.length];
    tickets.add(ticket);
  }

  /** Completes the tickets; the row has ended and no other thread uses it. */
  void answer(Finish finish, Tokenizer tokenizer) {
    try {
      GenerationResult result = result(finish, tokenizer);
      Ticket.Usage usage = new Ticket.Usage(waitNanos, steps, stepRows, device);
      tickets.get(0).complete(result, usage);
      for (Ticket ticket : tickets.subList(1, tickets.size())) {
        ticket.complete(result.shared(), Ticket.Usage.NONE);
      }
    } catch (RuntimeException e) {
      fail(new RuntimeFailure(Kind.USER, "the answer's tokens cannot be made text: " + e, e));
    } catch (Error e) {
      fail(RuntimeFailure.unexpected("making the answer's text", e));
    }
  }

  void fail(RuntimeFailure failure) {
    tickets.forEach(ticket -> ticket.completeExceptionally(failure));
  }

  private GenerationResult result(Finish finish, Tokenizer tokenizer) {
    int prompt = sequence.promptLength();
    int reused = sequence.reusedTokens();
    if (sequence.scores()) {
      return new GenerationResult("", new int[0], finish, logProbs(), prompt, reused);
    }
    int[] tokens = sequence.generated();
    if (text == null) {
      String whole = tokenizer.decode(tokens);
      return new GenerationResult(whole, tokens, finish, new double[0], prompt, reused);
    }
    Finish end = text.finish() ? Finish.STOP : finish;
    return new GenerationResult(text.text(), tokens, end, new double[0], prompt, reused);
  }

  private double[] logProbs() {
    double[] sums = new double[firstLogProbs.length];
    for (int i = 0; i < sums.length; i++) {
      sums[i] = firstLogProbs[i] + restLogProbs[i];
    }
    return sums;
  }
}
