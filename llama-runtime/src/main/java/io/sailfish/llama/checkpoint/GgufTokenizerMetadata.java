package io.sailfish.llama.checkpoint;

import io.sailfish.llama.tokenizer.GgufVocabulary;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/** What a GGUF file says of its tokenizer ({@code tokenizer.ggml.*}). */
final class GgufTokenizerMetadata {
  private static final String TOKENS = "tokenizer.ggml.tokens";
  private static final String TYPES = "tokenizer.ggml.token_type";
  private static final String SCORES = "tokenizer.ggml.scores";
  private static final String MERGES = "tokenizer.ggml.merges";
  // The largest published ratio is below 3.
  private static final int MAX_MERGES_PER_TOKEN = 8;

  private final GgufMetadata meta;
  private final GgufVocabulary vocabulary;
  private final TokenizerConfig config;

  GgufTokenizerMetadata(GgufMetadata meta, int embeddingRows) {
    this.meta = meta;
    this.vocabulary = readVocabulary(embeddingRows);
    this.config = readConfig();
  }

  GgufVocabulary vocabulary() {
    return vocabulary;
  }

  TokenizerConfig config() {
    return config;
  }

  private GgufVocabulary readVocabulary(int embeddingRows) {
    long numTokens = meta.count(TOKENS);
    if (numTokens < 1 || numTokens > embeddingRows) {
      throw meta.fail(
          TOKENS, numTokens + " tokens", "the embedding has %d rows".formatted(embeddingRows));
    }
    for (String key : new String[] {TYPES, SCORES}) {
      if (meta.has(key) && meta.count(key) != numTokens) {
        throw meta.fail(
            key, meta.count(key) + " elements", "there are %d tokens".formatted(numTokens));
      }
    }
    if (meta.count(MERGES) > MAX_MERGES_PER_TOKEN * numTokens) {
      throw meta.fail(
          MERGES, meta.count(MERGES) + " merges", "too many for %d tokens".formatted(numTokens));
    }
    return new GgufVocabulary(
        meta.text("tokenizer.ggml.model"),
        meta.text("tokenizer.ggml.pre", null),
        meta.texts(TOKENS),
        meta.has(TYPES) ? meta.integers(TYPES) : null,
        meta.has(SCORES) ? meta.numbers(SCORES) : null,
        meta.has(MERGES) ? meta.texts(MERGES) : null,
        meta.flag("tokenizer.ggml.add_space_prefix", true));
  }

  private TokenizerConfig readConfig() {
    int bos = id("tokenizer.ggml.bos_token_id");
    int eos = id("tokenizer.ggml.eos_token_id");
    Set<Integer> stop = new TreeSet<>();
    for (String name : new String[] {"eos", "eot", "eom"}) {
      int id = id("tokenizer.ggml." + name + "_token_id");
      if (id >= 0) {
        stop.add(id);
      }
    }
    for (int id = 0; id < vocabulary.tokens().length; id++) {
      if (vocabulary.isControl(id) && EndTokens.TEXTS.contains(vocabulary.tokens()[id])) {
        stop.add(id);
      }
    }
    if (stop.isEmpty()) {
      throw meta.fail("tokenizer.ggml.eos_token_id", "(none)", "nothing would end an answer");
    }
    boolean addBos =
        meta.flag("tokenizer.ggml.add_bos_token", vocabulary.addsBosByDefault()) && bos >= 0;
    return new TokenizerConfig(bos, addBos, stop, text(bos), text(eos));
  }

  private int id(String key) {
    OptionalLong id = meta.integer(key);
    if (id.isEmpty() || id.getAsLong() == -1 || id.getAsLong() == 0xffffffffL) {
      return -1;
    }
    return meta.integer(key, 0, vocabulary.tokens().length - 1);
  }

  private String text(int id) {
    return id < 0 ? "" : vocabulary.tokens()[id];
  }
}
