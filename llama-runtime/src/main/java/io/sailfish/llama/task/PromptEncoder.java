package io.sailfish.llama.task;

import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.TokenizerConfig;
import io.sailfish.llama.template.ChatTemplate;
import io.sailfish.llama.template.Message;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;

/**
 * Conversations to token ids that fit the context. Thread-safe.
 *
 * <p>What does not fit is cut out of the row's content and never out of the template: the content's
 * tokens are dropped, the rest is rendered again.
 */
public final class PromptEncoder {
  /**
   * Characters of a content that are tokenized to count its tokens; a longer one is only counted up
   * to here, as it fits no context and the task has better things to do.
   */
  private static final int MAX_COUNTED_CHARS = 2 << 20;

  private final Tokenizer tokenizer;
  private final ChatTemplate template;
  private final TokenizerConfig config;
  private final String model;
  private final int contextTokens;

  /**
   * @param template null for a model without; then messages are joined by blank lines
   * @param model name for messages
   */
  public PromptEncoder(
      Tokenizer tokenizer,
      ChatTemplate template,
      TokenizerConfig config,
      String model,
      int contextTokens) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.config = config;
    this.model = model;
    this.contextTokens = contextTokens;
  }

  /** A prompt's ids, and whether content was cut to make it fit. */
  record Prompt(int[] tokens, boolean truncated) {}

  /**
   * Room of a prompt.
   *
   * @param tokens most that it may have
   * @param targetTokens most that it may have after content had to be cut; at most {@code tokens}
   */
  record Room(int tokens, int targetTokens) {}

  boolean hasTemplate() {
    return template != null;
  }

  String model() {
    return model;
  }

  int contextTokens() {
    return contextTokens;
  }

  /** Ids of a text as it stands, without bos. */
  int[] encodeText(String text) {
    return tokenizer.encodeText(text);
  }

  /**
   * Prompt of a conversation about {@code content}.
   *
   * @return null where {@code overflow} wants a null answer
   * @throws RuntimeFailure of kind USER with both token counts when the prompt is too long
   * @throws io.sailfish.llama.template.TemplateException when the template refuses it
   */
  Prompt fit(Conversation conversation, String content, Room room, Overflow overflow) {
    String counted = content;
    if (content.length() > MAX_COUNTED_CHARS) {
      boolean tail = overflow == Overflow.TRUNCATE_HEAD;
      counted = tail ? last(content, MAX_COUNTED_CHARS) : first(content, MAX_COUNTED_CHARS);
    }
    int[] tokens = encode(conversation, counted);
    if (tokens.length <= room.tokens() && counted.length() < content.length()) {
      counted = content;
      tokens = encode(conversation, content);
    }
    if (tokens.length <= room.tokens()) {
      return new Prompt(tokens, false);
    }
    return switch (overflow) {
      case ERROR -> throw tooLong(tokens.length, counted.length() < content.length(), room);
      case NULL -> null;
      case TRUNCATE_HEAD -> truncate(conversation, counted, tokens.length, room, true);
      case TRUNCATE_TAIL -> truncate(conversation, counted, tokens.length, room, false);
    };
  }

  private Prompt truncate(
      Conversation conversation, String content, int tokens, Room room, boolean dropHead) {
    int[] ids = tokenizer.encodeText(content);
    // Ids at the seams of content and template may merge differently, hence the loop.
    int keep = Math.min(ids.length, room.targetTokens() - Math.max(0, tokens - ids.length));
    for (int less = 1; keep > 0; less *= 2) {
      int[] prompt = encode(conversation, part(ids, keep, dropHead));
      if (prompt.length <= room.targetTokens()) {
        return new Prompt(prompt, true);
      }
      keep -= Math.max(less, prompt.length - room.targetTokens());
    }
    throw new RuntimeFailure(
        Kind.USER,
        "the prompt has %d tokens, and without any of the row's content it still has more than the %d that the context of %s leaves; use shorter instructions"
            .formatted(tokens, room.targetTokens(), model),
        null);
  }

  /** Text of the first or last ids; a character that is cut in its middle is dropped. */
  private String part(int[] ids, int keep, boolean dropHead) {
    int from = dropHead ? ids.length - keep : 0;
    String text = tokenizer.decode(Arrays.copyOfRange(ids, from, from + keep));
    int start = 0;
    int end = text.length();
    while (dropHead && start < end && text.charAt(start) == '\uFFFD') {
      start++;
    }
    while (!dropHead && end > start && text.charAt(end - 1) == '\uFFFD') {
      end--;
    }
    return text.substring(start, end);
  }

  private int[] encode(Conversation conversation, String content) {
    return encode(conversation.messages(tokenizer.escape(content)), true);
  }

  /** Contents are escaped. */
  int[] encode(List<Message> messages, boolean addGenerationPrompt) {
    return tokenizer.encodePrompt(render(messages, addGenerationPrompt));
  }

  private String render(List<Message> messages, boolean addGenerationPrompt) {
    if (template == null) {
      return String.join("\n\n", messages.stream().map(Message::content).toList());
    }
    return template.render(messages, addGenerationPrompt, config.bosText(), config.eosText());
  }

  /** Ids of text in which special tokens are control tokens. */
  int[] encodeSpecials(String text) {
    return tokenizer.encodePrompt(text);
  }

  /** Escapes text from outside for use in a message. */
  String escape(String text) {
    return tokenizer.escape(text);
  }

  TokenizerConfig config() {
    return config;
  }

  private RuntimeFailure tooLong(int tokens, boolean more, Room room) {
    return new RuntimeFailure(
        Kind.USER,
        "the prompt has %s%d tokens, the context of %s holds %d and leaves %d for it; shorten it, have it truncated, or raise spark.sailfish.engine.contextTokens"
            .formatted(more ? "more than " : "", tokens, model, contextTokens, room.tokens()),
        null);
  }

  private static String first(String text, int chars) {
    boolean splits = Character.isHighSurrogate(text.charAt(chars - 1));
    return text.substring(0, splits ? chars - 1 : chars);
  }

  private static String last(String text, int chars) {
    int from = text.length() - chars;
    return text.substring(Character.isLowSurrogate(text.charAt(from)) ? from + 1 : from);
  }
}
