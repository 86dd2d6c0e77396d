package io.sailfish.llama.tokenizer;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Pre-tokenizers by the names that GGUF files use for them ({@code tokenizer.ggml.pre}), as the
 * JSON of HuggingFace's tokenizers. A name that is not here is an error: another pre-tokenizer
 * would give tokens that the model has never seen, without any sign of it.
 */
final class PreTokenizers {
  /**
   * @param preTokenizer JSON
   * @param normalizer JSON, or null
   * @param ignoreMerges a word that is a token is taken as it is (tokenizers' {@code
   *     ignore_merges})
   */
  record Spec(String preTokenizer, String normalizer, boolean ignoreMerges) {}

  private static final String BYTE_LEVEL =
      "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":%s}";

  /** GPT-2: the expression is built into ByteLevel. */
  private static final Spec GPT2 = new Spec(BYTE_LEVEL.formatted(true), null, false);

  /** SmolLM and StarCoder: each digit on its own, then as GPT-2 (their tokenizer.json). */
  private static final Spec DIGITS =
      new Spec(
          sequence("{\"type\":\"Digits\",\"individual_digits\":true}", BYTE_LEVEL.formatted(true)),
          null,
          false);

  /** Expression of Llama 3's tokenizer.json; %s is how digits are grouped. */
  private static final String LLAMA3_REGEX =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|%s"
          + "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";

  private static final Spec LLAMA3 =
      new Spec(split(LLAMA3_REGEX.formatted("\\\\p{N}{1,3}")), null, true);

  /** Qwen 2: as Llama 3 with single digits and composed characters. */
  private static final Spec QWEN2 =
      new Spec(split(LLAMA3_REGEX.formatted("\\\\p{N}")), "{\"type\":\"NFC\"}", false);

  private static final Map<String, Spec> BY_NAME = new LinkedHashMap<>();

  static {
    BY_NAME.put("gpt-2", GPT2);
    // Written for tokenizers that the converter took for GPT-2's own.
    BY_NAME.put("default", GPT2);
    for (String name : new String[] {"smollm", "starcoder", "refact", "codeshell"}) {
      BY_NAME.put(name, DIGITS);
    }
    for (String name : new String[] {"llama-bpe", "llama3", "llama-v3"}) {
      BY_NAME.put(name, LLAMA3);
    }
    BY_NAME.put("qwen2", QWEN2);
    BY_NAME.put("deepseek-r1-qwen", QWEN2);
  }

  private PreTokenizers() {}

  /**
   * @throws RuntimeFailure of kind USER for a name that is not known
   */
  static Spec byName(String name) {
    Spec spec = name == null ? null : BY_NAME.get(name);
    if (spec == null) {
      throw new RuntimeFailure(
          Kind.USER,
          "tokenizer.ggml.pre = %s: pre-tokenizers known are %s; use a model file with one of these"
              .formatted(name == null ? "(none)" : name, String.join(", ", BY_NAME.keySet())),
          null);
    }
    return spec;
  }

  static boolean isLlama3(String name) {
    return name != null && BY_NAME.get(name) == LLAMA3;
  }

  private static String split(String regex) {
    return sequence(
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},\"behavior\":\"Isolated\",\"invert\":false}"
            .formatted(regex),
        BYTE_LEVEL.formatted(false));
  }

  private static String sequence(String first, String second) {
    return "{\"type\":\"Sequence\",\"pretokenizers\":[" + first + "," + second + "]}";
  }
}
