package io.sailfish.llama.engine;

/**
 * What a request has to keep to, checked where it is submitted.
 *
 * @param model its name, for messages
 * @param context longest sequence in tokens
 * @param vocabulary number of token ids
 * @param mostWeighed see {@link StepExecutor#mostWeighed}
 */
record RequestLimits(String model, int context, int vocabulary, int mostWeighed) {
  /** Why the request can never run, with the numbers; null when it can. */
  String refusal(GenerationRequest request) {
    int prompt = request.prompt().length;
    if (prompt == 0) {
      return "the prompt has no tokens";
    }
    if (prompt > context) {
      return "the prompt has %d tokens, the context of %s holds %d"
          .formatted(prompt, model, context);
    }
    if (vocabulary > mostWeighed && isWeighed(request)) {
      return "%s has a vocabulary of %d tokens; this device samples, penalizes and scores among at most %d: ask for temperature 0 and repetition_penalty 1, or run on a CPU"
          .formatted(model, vocabulary, mostWeighed);
    }
    String range = outOfRange(request.prompt());
    for (int[] continuation : request.continuations()) {
      if (continuation.length == 0) {
        return "a continuation to score has no tokens";
      }
      // The last token of a continuation is predicted, not computed.
      if (prompt + continuation.length - 1 > context) {
        return "prompt and continuation have %d + %d tokens, the context of %s holds %d"
            .formatted(prompt, continuation.length, model, context);
      }
      range = range == null ? outOfRange(continuation) : range;
    }
    return range;
  }

  /** Whether it takes more than the largest logit of each row. */
  private static boolean isWeighed(GenerationRequest request) {
    return !request.continuations().isEmpty() || !request.params().choice(request.prompt()).plain();
  }

  private String outOfRange(int[] tokens) {
    for (int token : tokens) {
      if (token < 0 || token >= vocabulary) {
        return "token id %d is not in the vocabulary of %d".formatted(token, vocabulary);
      }
    }
    return null;
  }
}
