package io.sailfish.llama;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The golden files under {@code src/test/resources/golden}: tiny random Llamas and what
 * transformers computes with them (tools/golden/make_tiny_llama.py).
 *
 * @param prompt ids
 * @param greedy the 32 ids that follow
 * @param vocabulary columns of the logits
 * @param logits {@code [prompt + greedy, vocabulary]}: after each position of prompt and greedy ids
 * @param weightType element type of the digested weights
 * @param weights our tensor name to the SHA-256 of what the format's own tool dequantises; empty
 *     where nothing is quantised
 */
public record Golden(
    String variant,
    int[] prompt,
    int[] greedy,
    int vocabulary,
    float[] logits,
    String weightType,
    Map<String, String> weights) {
  /** All of them; the file names say what is special. */
  public static final List<String> VARIANTS =
      List.of("plain", "tied", "llama3", "linear", "headdim");

  /** One model a GGUF tensor type (tools/golden/make_gguf_types.py). */
  public static final List<String> GGUF_TYPES =
      List.of(
          "types/q8_0",
          "types/q4_0",
          "types/q4_1",
          "types/q5_0",
          "types/q5_1",
          "types/iq4_nl",
          "types/q2_k",
          "types/q3_k",
          "types/q4_k",
          "types/q5_k",
          "types/q6_k");

  /** One model a family as GGUF files (tools/golden/make_gguf_families.py). */
  public static final List<String> GGUF_FAMILIES =
      List.of("gguf/qwen2", "gguf/qwen3", "gguf/llama_bias", "gguf/mistral_split");

  /** Layers of different sizes (tools/golden/make_searched.py). */
  public static final List<String> SEARCHED = List.of("searched/deci", "searched/deci_gguf");

  /** One model a family, as a HuggingFace folder (tools/golden/make_hf_families.py). */
  public static final List<String> FAMILIES =
      List.of(
          "hf/llama",
          "hf/smollm2",
          "hf/tinyllama",
          "hf/llama_bias",
          "hf/mistral",
          "hf/qwen2",
          "hf/qwen2_window",
          "hf/qwen3",
          "hf/llama2",
          "hf/llama3_2",
          "hf/qwen2_5",
          "hf/mistral_full");

  /** Quantised folders, packed by the formats' own tools (tools/golden/make_quantized.py). */
  public static final List<String> QUANTIZED =
      List.of(
          "quantized/gptq_w4_g32_desc_act",
          "quantized/gptq_w4_g128_asym_v2",
          "quantized/gptq_w4_g64_asym",
          "quantized/gptq_w3_g64_asym",
          "quantized/gptq_w3_g32_v2",
          "quantized/gptq_w2_g32_asym",
          "quantized/gptq_w8_channel",
          "quantized/awq_g32",
          "quantized/awq_g128",
          "quantized/ct_w4_g128",
          "quantized/ct_w4_g32_asym",
          "quantized/ct_w4_channel",
          "quantized/ct_w8_channel",
          "quantized/bnb_nf4_double",
          "quantized/bnb_nf4",
          "quantized/bnb_fp4_double");

  public static Golden load(String variant) {
    try {
      JsonNode doc = new ObjectMapper().readTree(Files.readString(file(variant + ".json")));
      byte[] bytes = Files.readAllBytes(file(variant + ".logits.f32"));
      float[] logits = new float[bytes.length / 4];
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(logits);
      return new Golden(
          variant,
          ids(doc.get("prompt")),
          ids(doc.get("greedy")),
          doc.get("vocabulary").asInt(),
          logits,
          doc.path("weightType").asText("f32"),
          digests(doc.path("weights")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Map<String, String> digests(JsonNode weights) {
    Map<String, String> digests = new LinkedHashMap<>();
    weights.fields().forEachRemaining(e -> digests.put(e.getKey(), e.getValue().asText()));
    return digests;
  }

  /** The variant's GGUF file, the first of its GGUF files, or its folder. */
  public static Path model(String variant) {
    for (String end : List.of(".gguf", "-00001-of-00003.gguf")) {
      if (Golden.class.getResource("/golden/" + variant + end) != null) {
        return file(variant + end);
      }
    }
    return file(variant);
  }

  /** A golden file by its name. */
  public static Path file(String name) {
    URL url = Golden.class.getResource("/golden/" + name);
    if (url == null) {
      throw new IllegalArgumentException("no golden file " + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(name, e);
    }
  }

  private static int[] ids(JsonNode array) {
    int[] ids = new int[array.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = array.get(i).asInt();
    }
    return ids;
  }
}
