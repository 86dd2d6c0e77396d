package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The tokenizer of a HuggingFace folder: {@code tokenizer.json}, what {@code
 * tokenizer_config.json}, {@code special_tokens_map.json}, {@code generation_config.json} and
 * {@code config.json} say of its special tokens, and the chat template: {@code chat_template.jinja}
 * before {@code chat_template.json} before the one in {@code tokenizer_config.json}, as
 * transformers looks for it.
 */
final class HfTokenizerFiles {
  private static final String TOKENIZER = "tokenizer.json";
  private static final int MAX_TOKENIZER = 256 << 20;
  private static final int MAX_CONFIG = 16 << 20;
  private static final ObjectMapper JSON = new ObjectMapper(new JsonFactory());

  private final Path folder;
  private final int vocabulary;
  private final String text;
  private final JsonFields settings;
  private final Map<String, Integer> specials = new HashMap<>();
  private String firstOfEverySequence = "";
  private final TokenizerConfig config;

  /**
   * @param json the model's config.json
   * @param vocabulary rows of the embedding
   */
  HfTokenizerFiles(Path folder, JsonFields json, int vocabulary) {
    this.folder = folder;
    this.vocabulary = vocabulary;
    Path file = folder.resolve(TOKENIZER);
    if (!Files.exists(file)) {
      throw new RuntimeFailure(
          Kind.USER,
          file
              + ": is missing; other tokenizer files (tokenizer.model, vocab.json) are not read,"
              + " transformers' AutoTokenizer writes it with save_pretrained",
          null);
    }
    this.text = JsonFields.text(file, MAX_TOKENIZER);
    readTokens(file);
    this.settings = fields("tokenizer_config.json");
    this.config = readConfig(json);
  }

  String json() {
    return text;
  }

  TokenizerConfig config() {
    return config;
  }

  /** Null where the file is not there. */
  private JsonFields fields(String name) {
    Path file = folder.resolve(name);
    return Files.exists(file) ? JsonFields.read(file, MAX_CONFIG) : null;
  }

  /** Special tokens, and that no id lies beyond the embedding; the vocabulary is only passed by. */
  private void readTokens(Path file) {
    try (JsonParser parser = JSON.createParser(text)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new RuntimeFailure(Kind.USER, file + ": is no JSON object", null);
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String field = parser.currentName();
        parser.nextToken();
        switch (field) {
          case "added_tokens" -> readAddedTokens(file, parser.readValueAsTree());
          case "post_processor" -> readPostProcessor(parser.readValueAsTree());
          case "model" -> readModel(file, parser);
          default -> parser.skipChildren();
        }
      }
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s: is no JSON: %s"
              .formatted(file, String.valueOf(e.getMessage()).lines().findFirst().orElse("")),
          e);
    }
  }

  private void readAddedTokens(Path file, JsonNode tokens) {
    for (JsonNode token : tokens) {
      checkId(file, token.path("id"), token.path("content").asText());
      if (token.path("special").asBoolean()) {
        specials.put(token.path("content").asText(), token.path("id").asInt());
      }
    }
  }

  private void readModel(Path file, JsonParser parser) throws IOException {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      parser.skipChildren();
      return;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean ids = parser.currentName().equals("vocab");
      if (parser.nextToken() == JsonToken.START_OBJECT && ids) {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String token = parser.currentName();
          if (parser.nextToken() != JsonToken.VALUE_NUMBER_INT || !inVocabulary(parser)) {
            throw badId(file, parser.getText(), token);
          }
        }
      } else {
        parser.skipChildren();
      }
    }
  }

  private boolean inVocabulary(JsonParser id) throws IOException {
    return id.getNumberType() == JsonParser.NumberType.INT
        && id.getIntValue() >= 0
        && id.getIntValue() < vocabulary;
  }

  private void checkId(Path file, JsonNode id, String token) {
    if (!id.isInt() || id.asInt() < 0 || id.asInt() >= vocabulary) {
      throw badId(file, id.toString(), token);
    }
  }

  private RuntimeFailure badId(Path file, String id, String token) {
    return new RuntimeFailure(
        Kind.USER,
        "%s: token '%s' has id %s; the model's embedding has %d rows (vocab_size), so tokenizer and"
                .formatted(
                    file,
                    token.length() > 80 ? token.substring(0, 80) + "..." : token,
                    id,
                    vocabulary)
            + " model do not belong together",
        null);
  }

  /** What a template processor puts first before a single text, alone or in a sequence. */
  private void readPostProcessor(JsonNode processor) {
    if (processor.path("type").asText().equals("Sequence")) {
      processor.path("processors").forEach(this::readPostProcessor);
      return;
    }
    JsonNode first = processor.path("single").path(0).path("SpecialToken").path("id");
    if (processor.path("type").asText().equals("TemplateProcessing") && first.isTextual()) {
      firstOfEverySequence = first.textValue();
    }
  }

  private TokenizerConfig readConfig(JsonFields json) {
    String bos = token("bos_token");
    String eos = token("eos_token");
    Integer bosId = specials.get(bos);
    Set<Integer> stop = new TreeSet<>(HfModelConfig.ids(json, "eos_token_id", vocabulary));
    JsonFields generation = fields("generation_config.json");
    if (generation != null) {
      stop.addAll(HfModelConfig.ids(generation, "eos_token_id", vocabulary));
    }
    specials.forEach(
        (special, id) -> {
          if (special.equals(eos) || EndTokens.TEXTS.contains(special)) {
            stop.add(id);
          }
        });
    if (stop.isEmpty()) {
      throw json.fail("eos_token_id", null, "nothing would end an answer");
    }
    boolean byProcessor = !bos.isEmpty() && bos.equals(firstOfEverySequence);
    boolean addBos = settings == null ? byProcessor : settings.flag("add_bos_token", byProcessor);
    return new TokenizerConfig(
        bosId == null ? -1 : bosId, addBos && bosId != null, stop, bosId == null ? "" : bos, eos);
  }

  /** A token's text, given as text or as an object with its content; empty where there is none. */
  private String token(String key) {
    JsonFields map =
        settings != null && settings.mentions(key) ? settings : fields("special_tokens_map.json");
    if (map == null || !map.has(key)) {
      return "";
    }
    JsonNode value = map.value(key);
    return value.isObject() ? map.object(key).text("content") : map.text(key);
  }

  Optional<String> chatTemplate() {
    Path own = folder.resolve("chat_template.jinja");
    if (Files.exists(own)) {
      return Optional.of(JsonFields.text(own, MAX_CONFIG));
    }
    JsonFields file = fields("chat_template.json");
    JsonFields from = file == null ? settings : file;
    if (from == null || !from.has("chat_template")) {
      return Optional.empty();
    }
    JsonNode template = from.value("chat_template");
    if (!template.isArray()) {
      return Optional.of(from.text("chat_template"));
    }
    // Several by name, for tools and the like: the one without a purpose of its own.
    for (JsonNode named : template) {
      if (named.path("name").asText().equals("default") && named.path("template").isTextual()) {
        return Optional.of(named.path("template").textValue());
      }
    }
    throw from.fail("chat_template", template, "an array must hold one named default");
  }
}
