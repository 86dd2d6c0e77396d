package io.sailfish.llama.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.TokenizerConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Against what HuggingFace's tokenizers gives (tools/golden/make_tokenizer_cases.py), for every
 * kind of tokenizer: SmolLM, GPT-2, Llama 3, Qwen 2 and SentencePiece.
 */
class HfTokenizerTest {

  @ParameterizedTest
  @ValueSource(strings = {"plain", "tied", "llama3", "linear", "headdim"})
  void textGivesTheSameIds(String variant) throws IOException {
    try (Tokenizer tokenizer = open(variant)) {
      JsonNode texts = cases(variant).get("texts");
      assertTrue(texts.size() >= 700);
      for (JsonNode c : texts) {
        String text = c.get(0).textValue();
        assertArrayEquals(ids(c.get(1)), tokenizer.encodeText(text), () -> "text '" + text + "'");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain", "tied", "llama3", "linear", "headdim"})
  void idsGiveTheSameText(String variant) throws IOException {
    try (Tokenizer tokenizer = open(variant)) {
      for (JsonNode c : cases(variant).get("decoded")) {
        int[] ids = ids(c.get(0));
        assertEquals(c.get(1).textValue(), tokenizer.decode(ids), () -> "ids " + c.get(0));
        Tokenizer.StreamingDecoder stream = tokenizer.streamingDecoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
          String more = stream.next(id);
          assertFalse(more.endsWith("\uD83D"), "no half characters");
          text.append(more);
        }
        assertEquals(tokenizer.decode(ids), text.append(stream.finish()).toString());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain", "tied", "llama3", "linear", "headdim"})
  void promptsKeepControlTokensOfTheTemplateAlone(String variant) throws IOException {
    try (Tokenizer tokenizer = open(variant)) {
      for (JsonNode c : cases(variant).get("prompts")) {
        StringBuilder rendered = new StringBuilder();
        for (JsonNode part : c.get("parts")) {
          String text = part.get(1).textValue();
          rendered.append(part.get(0).asText().equals("row") ? tokenizer.escape(text) : text);
        }
        assertArrayEquals(
            ids(c.get("ids")),
            tokenizer.encodePrompt(rendered.toString()),
            () -> c.get("parts").toString());
      }
    }
  }

  @Test
  void bosIsAddedOnceAtMost() {
    try (Tokenizer tokenizer = open("llama3")) {
      assertArrayEquals(new int[] {0}, tokenizer.encodePrompt(""));
      assertArrayEquals(new int[] {0}, tokenizer.encodePrompt("<|begin_of_text|>"));
      int[] without = tokenizer.encodePrompt("hi");
      assertArrayEquals(without, tokenizer.encodePrompt("<|begin_of_text|>hi"));
      assertEquals(0, without[0]);
      assertFalse(contains(tokenizer.encodeText("<|begin_of_text|>"), 0));
      assertFalse(
          contains(
              java.util.Arrays.copyOfRange(
                  tokenizer.encodePrompt(tokenizer.escape("<|begin_of_text|>")), 1, 5),
              0));
    }
  }

  @Test
  void halfSurrogatesBecomeTheReplacementCharacter() {
    try (Tokenizer tokenizer = open("plain")) {
      String high = String.valueOf((char) 0xD83D);
      String low = String.valueOf((char) 0xDE42);
      for (String bad : new String[] {high, low, low + high, "a" + high + "b", high + high + low}) {
        String valid = bad.replace(high + low, "\0").replace(high, "\uFFFD").replace(low, "\uFFFD");
        valid = valid.replace("\0", high + low);
        assertArrayEquals(tokenizer.encodeText(valid), tokenizer.encodeText(bad));
        assertEquals(valid, tokenizer.decode(tokenizer.encodePrompt(tokenizer.escape(bad))));
      }
    }
  }

  @Test
  void idsThatAreNoTokensHaveNoText() {
    try (Tokenizer tokenizer = open("plain")) {
      assertEquals("", tokenizer.decode(new int[] {0, 1, 2, 512, Integer.MAX_VALUE, -1}));
    }
  }

  @Test
  void megabyteOfOneWordIsEncoded() {
    try (Tokenizer tokenizer = open("headdim")) {
      String text = "fish".repeat(1 << 18);
      assertEquals(text, tokenizer.decode(tokenizer.encodeText(text)));
    }
  }

  @Test
  void manyThreadsGetTheSameIds() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try (Tokenizer tokenizer = open("llama3")) {
      String text = "The ferry <|eot_id|> left 12345 морю 🙂 ".repeat(50);
      int[] expected = tokenizer.encodeText(text);
      List<Future<int[]>> got = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        got.add(pool.submit(() -> tokenizer.encodeText(text)));
      }
      for (Future<int[]> ids : got) {
        assertArrayEquals(expected, ids.get());
      }
    } finally {
      pool.shutdown();
    }
  }

  @Test
  void useAfterCloseIsAnErrorAndNoCrash() {
    Tokenizer tokenizer = open("plain");
    tokenizer.close();
    tokenizer.close();
    assertThrows(IllegalStateException.class, () -> tokenizer.encodeText("x"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{",
        "{}",
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"]]},"
            + "\"decoder\":{\"type\":\"ByteLevel\"}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},"
            + "\"decoder\":{\"type\":\"CTC\"}}"
      })
  void unusableTokenizerJsonIsOneClearError(String json) {
    TokenizerConfig config = new TokenizerConfig(-1, false, Set.of(0), "", "");
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> HfTokenizer.of(json, config));
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    assertTrue(e.getMessage().startsWith("tokenizer.json"), e.getMessage());
  }

  static Tokenizer open(String variant) {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(variant))) {
      return HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig());
    }
  }

  private static JsonNode cases(String variant) throws IOException {
    return new ObjectMapper()
        .readTree(Files.readString(Golden.file("tokenizer/" + variant + ".json")));
  }

  private static int[] ids(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
  }

  private static boolean contains(int[] ids, int id) {
    return IntStream.of(ids).anyMatch(i -> i == id);
  }
}
