package io.sailfish.llama.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What we need of a tokenizer.json (format: serialization in HuggingFace's tokenizers). */
final class TokenizerJson {
  private static final int MAX_ID = 1 << 24;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ObjectNode root;
  private final ObjectNode vocabulary;
  private final List<SpecialTokens.Special> specials = new ArrayList<>();

  private TokenizerJson(ObjectNode root) {
    this.root = root;
    String model = root.path("model").path("type").asText("BPE");
    if (!model.equals("BPE") || !root.path("model").path("vocab").isObject()) {
      throw new RuntimeFailure(
          Kind.USER,
          "tokenizer.json: model.type = %s: BPE with a vocabulary is needed".formatted(model),
          null);
    }
    this.vocabulary = (ObjectNode) root.path("model").path("vocab");
    for (JsonNode token : root.path("added_tokens")) {
      if (token.path("special").asBoolean()) {
        specials.add(special(token));
      }
    }
  }

  static TokenizerJson parse(String text) throws JsonProcessingException {
    JsonNode root = JSON.readTree(text);
    if (!(root instanceof ObjectNode)) {
      throw new RuntimeFailure(Kind.USER, "tokenizer.json: is no JSON object", null);
    }
    return new TokenizerJson((ObjectNode) root);
  }

  private static SpecialTokens.Special special(JsonNode token) {
    return new SpecialTokens.Special(
        id(token.path("id"), token.path("content").asText()),
        token.path("content").asText(),
        token.path("lstrip").asBoolean(),
        token.path("rstrip").asBoolean());
  }

  private static int id(JsonNode id, String token) {
    if (!id.canConvertToInt() || id.asInt() < 0 || id.asInt() > MAX_ID) {
      throw new RuntimeFailure(
          Kind.USER,
          "tokenizer.json: token '%s' has id %s; ids go from 0 to %d".formatted(token, id, MAX_ID),
          null);
    }
    return id.asInt();
  }

  List<SpecialTokens.Special> specials() {
    return specials;
  }

  TokenBytes tokenBytes() {
    int size = 0;
    for (Iterator<Map.Entry<String, JsonNode>> it = vocabulary.fields(); it.hasNext(); ) {
      Map.Entry<String, JsonNode> e = it.next();
      size = Math.max(size, id(e.getValue(), e.getKey()) + 1);
    }
    for (JsonNode token : root.path("added_tokens")) {
      size = Math.max(size, id(token.path("id"), token.path("content").asText()) + 1);
    }
    String[] texts = new String[size];
    for (Iterator<Map.Entry<String, JsonNode>> it = vocabulary.fields(); it.hasNext(); ) {
      Map.Entry<String, JsonNode> e = it.next();
      texts[e.getValue().asInt()] = e.getKey();
    }
    for (JsonNode token : root.path("added_tokens")) {
      boolean special = token.path("special").asBoolean();
      texts[token.path("id").asInt()] = special ? null : token.path("content").asText();
    }
    return TokenBytes.of(texts, root.path("decoder"));
  }

  /**
   * The tokenizer.json of the same tokenizer without special tokens: nothing that a text spells can
   * become one, neither as an added token nor as a word that is in the vocabulary. The other added
   * tokens move into the vocabulary, because the library numbers those outside it by itself.
   */
  String withoutSpecials() throws JsonProcessingException {
    ObjectNode model = (ObjectNode) root.path("model");
    ArrayNode kept = JSON.createArrayNode();
    Set<String> removed = new HashSet<>();
    for (JsonNode token : root.path("added_tokens")) {
      String text = token.path("content").asText();
      if (!token.path("special").asBoolean()) {
        kept.add(token);
        vocabulary.set(text, token.path("id"));
      } else {
        removed.add(text);
      }
    }
    // The unknown token has to stay, out of reach of merges.
    Set<String> gone = new HashSet<>(removed);
    gone.remove(model.path("unk_token").textValue());
    vocabulary.remove(gone);
    model.set("merges", mergesWithout(removed, model.path("merges")));
    root.set("added_tokens", kept);
    root.putNull("post_processor");
    root.putNull("truncation");
    root.putNull("padding");
    return JSON.writeValueAsString(root);
  }

  private static ArrayNode mergesWithout(Set<String> removed, JsonNode merges) {
    ArrayNode kept = JSON.createArrayNode();
    for (JsonNode merge : merges) {
      // "left right" before tokenizers 0.20, ["left", "right"] since
      String text = merge.isTextual() ? merge.textValue() : "";
      int space = text.indexOf(' ', 1);
      String left = space < 0 ? merge.path(0).asText() : text.substring(0, space);
      String right = space < 0 ? merge.path(1).asText() : text.substring(space + 1);
      if (!removed.contains(left) && !removed.contains(right) && !removed.contains(left + right)) {
        kept.add(merge);
      }
    }
    return kept;
  }
}
