package io.sailfish.llama.template;

/**
 * Content that came from a row. Special-token text in it must not become a control token: before
 * the template is rendered each special token's text is broken by {@link #BREAK}; after rendering
 * the prompt is split at the special tokens that are left (the template's own), the character is
 * removed, and the pieces are encoded without added tokens.
 */
public final class UserText {
  /** A private-use character that no tokenizer knows; one occurring in the row itself is kept. */
  public static final char BREAK = '\uE0F7';

  private UserText() {}
}
