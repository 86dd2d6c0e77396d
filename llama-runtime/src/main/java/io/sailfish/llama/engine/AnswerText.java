package io.sailfish.llama.engine;

import io.sailfish.llama.tokenizer.Tokenizer.StreamingDecoder;
import java.util.List;

/** The growing text of an answer that ends at the first of some stop strings. */
final class AnswerText {
  private final StreamingDecoder decoder;
  private final List<String> stops;
  private final StringBuilder text = new StringBuilder();
  private final int longestStop;
  private boolean stopped;

  AnswerText(StreamingDecoder decoder, List<String> stops) {
    this.decoder = decoder;
    this.stops = stops;
    this.longestStop = stops.stream().mapToInt(String::length).max().orElse(1);
  }

  /** Takes the next token; true when the text has reached a stop string. */
  boolean append(int token) {
    return add(decoder.next(token));
  }

  /** Ends the text with what the decoder held back; true when it ends at a stop string. */
  boolean finish() {
    return stopped || add(decoder.finish());
  }

  /** Without the stop string and what follows it. */
  String text() {
    return text.toString();
  }

  private boolean add(String piece) {
    if (piece.isEmpty()) {
      return false;
    }
    // A stop string may have begun in what was there already.
    int from = Math.max(0, text.length() - longestStop + 1);
    text.append(piece);
    int end = -1;
    for (String stop : stops) {
      int at = text.indexOf(stop, from);
      if (at >= 0 && (end < 0 || at < end)) {
        end = at;
      }
    }
    if (end >= 0) {
      text.setLength(end);
      stopped = true;
    }
    return stopped;
  }
}
