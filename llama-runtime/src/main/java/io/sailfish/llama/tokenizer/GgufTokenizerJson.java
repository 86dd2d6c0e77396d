package io.sailfish.llama.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.tokenizer.GgufVocabulary.TokenType;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes the text of a HuggingFace tokenizer.json out of GGUF metadata, so that one tokenizer serves
 * every model. Byte-level BPE ({@code gpt2}) with a known pre-tokenizer, and SentencePiece BPE
 * ({@code llama}) with byte fallback.
 */
public final class GgufTokenizerJson {
  private static final String BYTE_LEVEL_DECODER =
      "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}";
  private static final String REPLACE_SPACE =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}";
  private static final String PREPEND = "{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}";
  private static final String RESTORE_SPACE =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"}";
  private static final String STRIP_PREFIX =
      "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}";

  private final GgufVocabulary vocabulary;

  private GgufTokenizerJson(GgufVocabulary vocabulary) {
    this.vocabulary = vocabulary;
  }

  /**
   * The whole text of a tokenizer.json.
   *
   * @throws RuntimeFailure of kind USER for a tokenizer that is not known or not complete
   */
  public static String make(GgufVocabulary vocabulary) {
    GgufTokenizerJson maker = new GgufTokenizerJson(vocabulary);
    StringWriter out = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(out)) {
      json.writeStartObject();
      json.writeStringField("version", "1.0");
      json.writeNullField("truncation");
      json.writeNullField("padding");
      maker.writeAddedTokens(json);
      switch (vocabulary.model()) {
        case "gpt2" -> maker.writeByteLevel(json);
        case "llama" -> maker.writeSentencePiece(json);
        default ->
            throw bad("model", vocabulary.model(), "tokenizer models known are gpt2 and llama");
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    return out.toString();
  }

  private void writeAddedTokens(JsonGenerator json) throws IOException {
    json.writeArrayFieldStart("added_tokens");
    String[] tokens = vocabulary.tokens();
    for (int id = 0; id < tokens.length; id++) {
      if (isText(id) && vocabulary.type(id) != TokenType.USER_DEFINED || tokens[id].isEmpty()) {
        continue;
      }
      json.writeStartObject();
      json.writeNumberField("id", id);
      json.writeStringField("content", tokens[id]);
      json.writeBooleanField("single_word", false);
      json.writeBooleanField("lstrip", false);
      json.writeBooleanField("rstrip", false);
      json.writeBooleanField("normalized", false);
      json.writeBooleanField("special", !isText(id));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private boolean isText(int id) {
    int type = vocabulary.type(id);
    return type != TokenType.CONTROL && type != TokenType.UNKNOWN;
  }

  private void writeByteLevel(JsonGenerator json) throws IOException {
    if (vocabulary.merges() == null) {
      throw bad("merges", "(none)", "a gpt2 tokenizer needs them");
    }
    PreTokenizers.Spec spec = PreTokenizers.byName(vocabulary.pre());
    writeRaw(json, "normalizer", spec.normalizer());
    writeRaw(json, "pre_tokenizer", spec.preTokenizer());
    json.writeNullField("post_processor");
    writeRaw(json, "decoder", BYTE_LEVEL_DECODER);
    startModel(json, null, false, spec.ignoreMerges());
    json.writeArrayFieldStart("merges");
    Map<String, Integer> ids = idsByToken();
    for (int i = 0; i < vocabulary.merges().length; i++) {
      writeMerge(json, i, ids);
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private Map<String, Integer> idsByToken() {
    String[] tokens = vocabulary.tokens();
    Map<String, Integer> ids = new HashMap<>(tokens.length * 2);
    for (int id = 0; id < tokens.length; id++) {
      ids.put(tokens[id], id);
    }
    return ids;
  }

  private void writeMerge(JsonGenerator json, int index, Map<String, Integer> ids)
      throws IOException {
    String merge = vocabulary.merges()[index];
    int space = merge.indexOf(' ', 1);
    if (space < 0 || space == merge.length() - 1) {
      throw bad("merges", "'" + merge + "' at " + index, "must be two parts and a space between");
    }
    String left = merge.substring(0, space);
    String right = merge.substring(space + 1);
    for (String part : new String[] {left, right, left + right}) {
      if (!ids.containsKey(part)) {
        throw bad("merges", "'" + merge + "' at " + index, "'" + part + "' is no token");
      }
    }
    // A merge with a control token could only make plain text into one.
    if (isText(ids.get(left)) && isText(ids.get(right)) && isText(ids.get(left + right))) {
      writePair(json, left, right);
    }
  }

  private void writeSentencePiece(JsonGenerator json) throws IOException {
    if (vocabulary.scores() == null || vocabulary.types() == null) {
      throw bad("scores, token_type", "(none)", "a llama tokenizer needs both");
    }
    boolean prefix = vocabulary.addSpacePrefix();
    String normalizers = prefix ? PREPEND + "," + REPLACE_SPACE : REPLACE_SPACE;
    writeRaw(json, "normalizer", "{\"type\":\"Sequence\",\"normalizers\":[" + normalizers + "]}");
    json.writeNullField("pre_tokenizer");
    json.writeNullField("post_processor");
    writeRaw(
        json,
        "decoder",
        "{\"type\":\"Sequence\",\"decoders\":[%s,{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}"
            .formatted(RESTORE_SPACE, prefix ? "," + STRIP_PREFIX : ""));
    startModel(json, unknownToken(), true, false);
    json.writeArrayFieldStart("merges");
    List<SentencePieceMerges.Merge> merges = SentencePieceMerges.of(vocabulary);
    for (SentencePieceMerges.Merge merge : merges) {
      writePair(json, merge.left(), merge.right());
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private String unknownToken() {
    for (int id = 0; id < vocabulary.tokens().length; id++) {
      if (vocabulary.type(id) == TokenType.UNKNOWN) {
        return vocabulary.tokens()[id];
      }
    }
    throw bad("token_type", "no token of type 2", "a llama tokenizer has an unknown token");
  }

  private void startModel(
      JsonGenerator json, String unknown, boolean byteFallback, boolean ignoreMerges)
      throws IOException {
    json.writeObjectFieldStart("model");
    json.writeStringField("type", "BPE");
    json.writeNullField("dropout");
    json.writeStringField("unk_token", unknown);
    json.writeNullField("continuing_subword_prefix");
    json.writeNullField("end_of_word_suffix");
    json.writeBooleanField("fuse_unk", byteFallback);
    json.writeBooleanField("byte_fallback", byteFallback);
    json.writeBooleanField("ignore_merges", ignoreMerges);
    json.writeObjectFieldStart("vocab");
    String[] tokens = vocabulary.tokens();
    for (int id = 0; id < tokens.length; id++) {
      json.writeNumberField(tokens[id], id);
    }
    json.writeEndObject();
  }

  private static void writePair(JsonGenerator json, String left, String right) throws IOException {
    json.writeStartArray();
    json.writeString(left);
    json.writeString(right);
    json.writeEndArray();
  }

  private static void writeRaw(JsonGenerator json, String field, String value) throws IOException {
    json.writeFieldName(field);
    json.writeRawValue(value == null ? "null" : value);
  }

  private static RuntimeFailure bad(String key, String value, String problem) {
    return new RuntimeFailure(
        Kind.USER, "tokenizer.ggml.%s = %s: %s".formatted(key, value, problem), null);
  }
}
