package io.sailfish.llama.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.TokenizerConfig;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The shapes that published tokenizer.json files have and ours out of GGUF have not. */
class TokenizerJsonTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** A user's tool token outside the vocabulary, special ones too, merges as one string. */
  @Test
  void addedTokensOutsideTheVocabularyKeepTheirIds() throws Exception {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      TokenizerConfig config = checkpoint.tokenizerConfig();
      String made = checkpoint.tokenizerJson();
      ObjectNode root = (ObjectNode) JSON.readTree(made);
      ObjectNode model = (ObjectNode) root.get("model");
      ArrayNode added = (ArrayNode) root.get("added_tokens");
      List<String> specials = new ArrayList<>();
      added.forEach(token -> specials.add(token.get("content").asText()));
      ((ObjectNode) model.get("vocab")).remove(specials);
      ObjectNode tool = added.addObject();
      tool.put("id", 700).put("content", "<tool>").put("special", false);
      tool.put("single_word", false).put("lstrip", false).put("rstrip", false);
      tool.put("normalized", false);
      ArrayNode merges = JSON.createArrayNode();
      for (JsonNode merge : model.get("merges")) {
        merges.add(merge.get(0).asText() + " " + merge.get(1).asText());
      }
      model.set("merges", merges);
      try (Tokenizer plain = HfTokenizer.of(made, config);
          Tokenizer published = HfTokenizer.of(JSON.writeValueAsString(root), config)) {
        String text = "The ferry <|eot_id|> left the harbour 12345 морю 🙂";
        assertArrayEquals(plain.encodeText(text), published.encodeText(text));
        assertArrayEquals(
            plain.encodePrompt("<|eot_id|>x<|end_of_text|>"),
            published.encodePrompt("<|eot_id|>x<|end_of_text|>"));
        assertArrayEquals(new int[] {700}, published.encodeText("<tool>"));
        assertEquals("a<tool>b", published.decode(published.encodeText("a<tool>b")));
      }
    }
  }

  /** Llama 2's own file has merges that make {@code </s>} out of characters. */
  @Test
  void mergesThatSpellASpecialTokenAreLeftOut() throws Exception {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("headdim"))) {
      ObjectNode root = (ObjectNode) JSON.readTree(checkpoint.tokenizerJson());
      ObjectNode model = (ObjectNode) root.get("model");
      ArrayNode merges = JSON.createArrayNode();
      merges.addArray().add("<").add("/");
      merges.addArray().add("s").add(">");
      merges.addArray().add("</").add("s>");
      merges.addArray().add("<").add("s>");
      merges.addAll((ArrayNode) model.get("merges"));
      model.set("merges", merges);
      ObjectNode vocabulary = (ObjectNode) model.get("vocab");
      vocabulary.put("/", 600).put(">", 601).put("<", 602).put("</", 603).put("s>", 604);
      try (Tokenizer tokenizer =
          HfTokenizer.of(JSON.writeValueAsString(root), checkpoint.tokenizerConfig())) {
        assertArrayEquals(
            new int[] {603, 604}, tail(tokenizer.encodeText("</s>"), 2), "two pieces, not id 2");
        assertArrayEquals(new int[] {602, 604}, tail(tokenizer.encodeText("<s>"), 2));
        assertArrayEquals(new int[] {1, 2}, tokenizer.encodePrompt("<s></s>"));
        assertEquals("</s>", tokenizer.decode(tokenizer.encodeText("</s>")));
      }
    }
  }

  private static int[] tail(int[] ids, int count) {
    return java.util.Arrays.copyOfRange(ids, ids.length - count, ids.length);
  }
}
