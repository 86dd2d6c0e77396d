package io.sailfish.llama.tokenizer;

/** Text to token ids and back. Thread-safe. */
public interface Tokenizer extends AutoCloseable {
  /**
   * Ids of a piece of text as written by a user: text that spells a special token stays text. No
   * bos is added.
   */
  int[] encodeText(String text);

  /**
   * A row's text made safe to stand in a chat template: see {@link
   * io.sailfish.llama.template.UserText}. To be called on every message content before rendering.
   */
  String escape(String userText);

  /**
   * Ids of a rendered chat prompt: special tokens that the template wrote become control tokens,
   * those spelled inside {@link io.sailfish.llama.template.UserText} do not. Adds bos if the model
   * wants one and the prompt does not start with it.
   */
  int[] encodePrompt(String rendered);

  /** Text of ids, special tokens left out. Bytes that are no valid UTF-8 become U+FFFD. */
  String decode(int[] ids);

  /** Decoder for one growing answer. */
  StreamingDecoder streamingDecoder();

  @Override
  void close();

  /**
   * Feeds ids one by one and returns text as soon as it cannot change any more. Not thread-safe.
   */
  interface StreamingDecoder {
    /** Text that became certain with this id, often empty in the middle of a character. */
    String next(int id);

    /** What is left at the end. */
    String finish();
  }
}
