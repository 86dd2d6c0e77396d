package io.sailfish.llama.engine;

import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Rows that have not ended, one for all requests that are equal. Confined to the engine's thread.
 */
final class LiveRows {
  private final Map<Sequence, Row> bySequence = new IdentityHashMap<>();
  private final Map<Sequence, Row> view = Collections.unmodifiableMap(bySequence);
  private final Map<Row.Key, Row> byKey = new HashMap<>();

  /** As it is at any time. */
  Map<Sequence, Row> bySequence() {
    return view;
  }

  boolean isEmpty() {
    return bySequence.isEmpty();
  }

  Row of(Sequence sequence) {
    return bySequence.get(sequence);
  }

  List<Row> all() {
    return List.copyOf(bySequence.values());
  }

  /** Gives the ticket a row to wait for; that row if there was none for such a request. */
  Optional<Row> join(Ticket ticket, Tokenizer tokenizer) {
    Row.Key key = Row.Key.of(ticket.request());
    Row equal = byKey.get(key);
    if (equal != null) {
      equal.tickets.add(ticket);
      return Optional.empty();
    }
    Row row = new Row(key, ticket, tokenizer);
    byKey.put(key, row);
    bySequence.put(row.sequence, row);
    return Optional.of(row);
  }

  /** Takes the ticket from its row; that row if nobody waits for it any more. */
  Optional<Row> leave(Ticket ticket) {
    Row row = byKey.get(Row.Key.of(ticket.request()));
    boolean last = row != null && row.tickets.remove(ticket) && row.tickets.isEmpty();
    return last ? Optional.of(row) : Optional.empty();
  }

  void remove(Row row) {
    bySequence.remove(row.sequence);
    byKey.remove(row.key);
  }
}
