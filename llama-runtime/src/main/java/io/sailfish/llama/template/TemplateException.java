package io.sailfish.llama.template;

/**
 * A chat template cannot be read, uses something unsupported, passes a limit or refuses the
 * conversation ({@code raise_exception}). The message has the line's number and text.
 */
public final class TemplateException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TemplateException(String message) {
    super(message);
  }

  /** The same with the place in the template. */
  TemplateException at(int line, String source) {
    String[] lines = source.split("\n", -1);
    String text = line >= 1 && line <= lines.length ? lines[line - 1].strip() : "";
    String shown = text.length() > 120 ? text.substring(0, 120) + "..." : text;
    TemplateException placed =
        new TemplateException(
            "chat template, line " + line + ": " + getMessage() + "; the line reads: " + shown);
    placed.setStackTrace(getStackTrace());
    return placed;
  }
}
