package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.llama.Golden;
import io.sailfish.llama.model.RopeConfig;
import io.sailfish.llama.template.ChatTemplate;
import io.sailfish.llama.template.Message;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** HuggingFace folders as transformers writes them; what is computed: {@code LlamaGoldenTest}. */
class HfCheckpointTest {
  static Stream<String> families() {
    return Golden.FAMILIES.stream();
  }

  /** Template in its own file, as text, in a list; tokenizers of three kinds. */
  @ParameterizedTest
  @MethodSource("families")
  void chatPromptsAreTransformersPrompts(String variant) throws IOException {
    JsonNode chat =
        new ObjectMapper().readTree(Files.readString(Golden.file(variant + ".json"))).get("chat");
    JsonNode message = chat.get("messages").get(0);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(variant));
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      ChatTemplate template =
          ChatTemplate.parse(checkpoint.chatTemplate().orElseThrow(), Clock.systemUTC());
      String rendered =
          template.render(
              List.of(new Message("user", message.get("content").asText())),
              true,
              checkpoint.tokenizerConfig().bosText(),
              checkpoint.tokenizerConfig().eosText());
      assertEquals(chat.get("rendered").asText(), rendered);
      int[] expected = new int[chat.get("ids").size()];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = chat.get("ids").get(i).asInt();
      }
      assertArrayEquals(expected, tokenizer.encodePrompt(rendered));
    }
  }

  @Test
  void shardsConfigAndStopTokens() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("hf/llama"))) {
      assertEquals("llama, safetensors f32", checkpoint.describe());
      assertEquals(20, checkpoint.config().attention().headDim());
      assertTrue(checkpoint.config().rope().scaling() instanceof RopeConfig.Llama3);
      // 1, 2: generation_config.json; 1, 4, 5: <|end_of_text|>, <|eot_id|>, <|eom_id|> by their
      // text
      assertEquals(Set.of(1, 2, 4, 5), checkpoint.tokenizerConfig().stopIds());
      assertTrue(checkpoint.tokenizerConfig().addBos());
      assertEquals(0, checkpoint.tokenizerConfig().bosId());
    }
  }

  @Test
  void windowsAreByLayer() {
    try (Checkpoint mistral = Checkpoints.open(Golden.model("hf/mistral"));
        Checkpoint qwen = Checkpoints.open(Golden.model("hf/qwen2_window"));
        Checkpoint plain = Checkpoints.open(Golden.model("hf/qwen2"))) {
      assertEquals(List.of(11, 11), mistral.config().variant().windows());
      assertEquals(List.of(0, 9), qwen.config().variant().windows());
      assertEquals(List.of(), plain.config().variant().windows());
    }
  }
}
