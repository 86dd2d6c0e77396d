package io.sailfish.llama.template;

import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model's chat template: messages in, prompt text out, as HF transformers' {@code
 * apply_chat_template} renders it. Immutable and thread-safe.
 *
 * <p>Templates come with downloaded models, so rendering is bounded: steps, sizes of values, depth.
 */
public final class ChatTemplate {
  private static final long MAX_STEPS = 5_000_000;

  /** How much longer than the conversation a value of the template may be. */
  private static final int GROWTH = 8;

  private static final long MIN_MAX_CHARS = 4 << 20;

  private final String source;
  private final List<Statement> statements;
  private final Clock clock;

  private ChatTemplate(String source, List<Statement> statements, Clock clock) {
    this.source = source;
    this.statements = statements;
    this.clock = clock;
  }

  /**
   * Reads a template.
   *
   * @param clock what {@code strftime_now} sees; a fixed one keeps answers equal over days
   * @throws TemplateException when it is no Jinja or uses something unsupported
   */
  public static ChatTemplate parse(String source, Clock clock) {
    String normalized = Lexer.normalize(source);
    return new ChatTemplate(normalized, StatementParser.parse(normalized), clock);
  }

  /**
   * The prompt of a conversation.
   *
   * @param addGenerationPrompt whether the text ends where the assistant's answer starts
   * @param bosText text of the bos token; empty: undefined in the template
   * @param eosText text of the eos token; empty: undefined in the template
   * @throws TemplateException when the template refuses the conversation, or is wrong
   */
  public String render(
      List<Message> messages, boolean addGenerationPrompt, String bosText, String eosText) {
    Map<String, Object> variables = new LinkedHashMap<>();
    variables.put("messages", messages.stream().map(ChatTemplate::dict).toList());
    variables.put("add_generation_prompt", addGenerationPrompt);
    variables.put("tools", null);
    variables.put("documents", null);
    if (!bosText.isEmpty()) {
      variables.put("bos_token", bosText);
    }
    if (!eosText.isEmpty()) {
      variables.put("eos_token", eosText);
    }
    long chars = messages.stream().mapToLong(m -> m.content().length()).sum();
    return render(variables, Math.max(MIN_MAX_CHARS, GROWTH * chars), MAX_STEPS + GROWTH * chars);
  }

  private static Object dict(Message message) {
    Map<Object, Object> dict = new LinkedHashMap<>();
    dict.put("role", message.role());
    dict.put("content", message.content());
    return dict;
  }

  /** Renders with any variables: plain values as {@link Values} knows them. */
  String render(Map<String, Object> variables, long maxChars, long maxSteps) {
    Rendering rendering = new Rendering(clock, maxSteps, maxChars);
    Scope globals = new Scope(null, rendering);
    Globals.defineIn(globals);
    Scope scope = globals.inner();
    variables.forEach(scope::set);
    try {
      Statement.executeAll(statements, scope);
      return rendering.output();
    } catch (TemplateException e) {
      throw e.at(rendering.line(), source);
    } catch (StackOverflowError e) {
      // Depth is bounded by the parser and by macro calls; a small thread stack may be less.
      throw new TemplateException("nested too deep for this thread").at(rendering.line(), source);
    }
  }
}
