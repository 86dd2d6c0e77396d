package io.sailfish.llama.tokenizer;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.tokenizer.GgufVocabulary.TokenType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Merges of a SentencePiece BPE vocabulary. SentencePiece joins the neighbours whose joined piece
 * has the best score; a BPE with merges does the same when every way to split a piece in two pieces
 * is a merge, ordered by the score of the piece (transformers' {@code generate_merges}).
 */
final class SentencePieceMerges {
  /** Longer ones are no pieces; bounds the work, which goes by the square of the length. */
  private static final int MAX_PIECE_CHARS = 1024;

  /** Two pieces that are joined; {@code score} of the joined piece. */
  record Merge(String left, String right, float score) {}

  private SentencePieceMerges() {}

  static List<Merge> of(GgufVocabulary vocabulary) {
    Map<String, Integer> ids = textPieces(vocabulary);
    List<Merge> merges = new ArrayList<>();
    String[] tokens = vocabulary.tokens();
    for (int id = 0; id < tokens.length; id++) {
      Integer owner = ids.get(tokens[id]);
      if (owner != null && owner == id) {
        addSplits(tokens[id], vocabulary.scores()[id], ids, merges);
      }
    }
    // The sort is stable; within a piece the splits were added in the order of their parts' ids.
    merges.sort(
        Comparator.comparingDouble((Merge m) -> m.score)
            .thenComparingInt(m -> m.left.codePointCount(0, m.left.length()))
            .thenComparingInt(m -> m.right.codePointCount(0, m.right.length()))
            .reversed());
    return merges;
  }

  /** Control, unknown and byte tokens are never the result of joining characters of a text. */
  private static Map<String, Integer> textPieces(GgufVocabulary vocabulary) {
    String[] tokens = vocabulary.tokens();
    Map<String, Integer> ids = new HashMap<>(tokens.length * 2);
    for (int id = 0; id < tokens.length; id++) {
      int type = vocabulary.type(id);
      if (type == TokenType.CONTROL || type == TokenType.UNKNOWN || type == TokenType.BYTE) {
        continue;
      }
      if (tokens[id].length() > MAX_PIECE_CHARS || Float.isNaN(vocabulary.scores()[id])) {
        throw new RuntimeFailure(
            Kind.USER,
            "tokenizer.ggml.tokens: token %d has %d characters and score %s; a piece has at most"
                    .formatted(id, tokens[id].length(), vocabulary.scores()[id])
                + " %d characters and a number as score".formatted(MAX_PIECE_CHARS),
            null);
      }
      ids.put(tokens[id], id);
    }
    return ids;
  }

  private static void addSplits(
      String piece, float score, Map<String, Integer> ids, List<Merge> merges) {
    List<Merge> splits = new ArrayList<>();
    for (int at = 1; at < piece.length(); at++) {
      String left = piece.substring(0, at);
      String right = piece.substring(at);
      if (ids.containsKey(left) && ids.containsKey(right)) {
        splits.add(new Merge(left, right, score));
      }
    }
    splits.sort(
        Comparator.comparingInt((Merge m) -> ids.get(m.left))
            .thenComparingInt(m -> ids.get(m.right)));
    merges.addAll(splits);
  }
}
