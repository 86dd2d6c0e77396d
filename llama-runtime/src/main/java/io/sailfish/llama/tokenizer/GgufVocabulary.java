package io.sailfish.llama.tokenizer;

/**
 * A tokenizer as GGUF metadata describes it.
 *
 * @param model {@code gpt2} (byte-level BPE) or {@code llama} (SentencePiece BPE)
 * @param pre name of the pre-tokenizer of a {@code gpt2} model, or null
 * @param tokens texts by id
 * @param types of the tokens, as {@link TokenType}'s codes, or null: all normal
 * @param scores of the tokens of a {@code llama} model, or null
 * @param merges of a {@code gpt2} model, both parts separated by a space, in order, or null
 * @param addSpacePrefix a {@code llama} model puts a space before text
 */
public record GgufVocabulary(
    String model,
    String pre,
    String[] tokens,
    int[] types,
    float[] scores,
    String[] merges,
    boolean addSpacePrefix) {

  /** Token types of a GGUF file (enum llama_token_type); 0 is undefined. */
  static final class TokenType {
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int BYTE = 6;

    private TokenType() {}
  }

  int type(int id) {
    return types == null ? 1 : types[id];
  }

  /** Whether a token steers the model and is no text. */
  public boolean isControl(int id) {
    return type(id) == TokenType.CONTROL;
  }

  /** What holds where the file does not say: llama.cpp's defaults (llama-vocab.cpp). */
  public boolean addsBosByDefault() {
    return model.equals("llama") || PreTokenizers.isLlama3(pre);
  }
}
