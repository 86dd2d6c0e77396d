package io.sailfish.llama.template;

import io.sailfish.llama.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Splits a template into text and tags and applies white-space control: {@code -} strips to the
 * next text, {@code trim_blocks} drops the line break after a block, {@code lstrip_blocks} the
 * blanks before one, {@code +} switches both off.
 */
final class Lexer {
  private static final List<String> OPERATORS =
      List.of(
          "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{",
          "}", ">", "<", "=", ".", ":", "|", ",");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int position;
  private int line = 1;
  private int lineCountedTo;

  /** Whether the next text starts at the beginning of a line (of the source or after a trim). */
  private boolean atLineStart = true;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> tokenize(String source) {
    Lexer lexer = new Lexer(source);
    try {
      lexer.run();
    } catch (TemplateException e) {
      throw e.at(lexer.line(), source);
    }
    return lexer.tokens;
  }

  /** Line ends become {@code \n}; a last one is dropped, as Jinja does. */
  static String normalize(String source) {
    String unix = source.replace("\r\n", "\n").replace('\r', '\n');
    return unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix;
  }

  private void run() {
    while (position < source.length()) {
      int tag = nextTag();
      if (tag < 0) {
        data(source.substring(position));
        position = source.length();
        break;
      }
      char type = source.charAt(tag + 1);
      char sign = sign(tag + 2);
      data(beforeTag(source.substring(position, tag), type, sign));
      position = tag + (sign == 0 ? 2 : 3);
      switch (type) {
        case '#' -> comment(tag);
        case '{' -> output();
        default -> block();
      }
      atLineStart = position > 0 && source.charAt(position - 1) == '\n';
    }
    add(Kind.END, "");
  }

  private int nextTag() {
    for (int i = source.indexOf('{', position); i >= 0; i = source.indexOf('{', i + 1)) {
      char next = i + 1 < source.length() ? source.charAt(i + 1) : 0;
      if (next == '{' || next == '%' || next == '#') {
        return i;
      }
    }
    return -1;
  }

  private char sign(int at) {
    char c = at < source.length() ? source.charAt(at) : 0;
    return c == '-' || c == '+' ? c : 0;
  }

  private String beforeTag(String text, char type, char sign) {
    if (sign == '-') {
      return PythonText.rstrip(text);
    }
    if (sign == '+' || type == '{') {
      return text;
    }
    int lineStart = text.lastIndexOf('\n') + 1;
    boolean blank = PythonText.rstrip(text.substring(lineStart)).isEmpty();
    return blank && (lineStart > 0 || atLineStart) ? text.substring(0, lineStart) : text;
  }

  private void data(String text) {
    if (!text.isEmpty()) {
      add(Kind.DATA, text);
    }
  }

  private void comment(int tag) {
    int end = source.indexOf("#}", position);
    if (end < 0) {
      position = tag;
      throw new TemplateException("this comment has no end '#}'");
    }
    char sign = end > position ? sign(end - 1) : 0;
    position = end + 2;
    afterTag(sign, true);
  }

  private void output() {
    add(Kind.OUTPUT_BEGIN, "{{");
    tag("}}", Kind.OUTPUT_END);
  }

  private void block() {
    int content = skipSpace(position);
    if (source.startsWith("raw", content)) {
      int close = skipSpace(content + 3);
      char sign = sign(close);
      if (source.startsWith("%}", close + (sign == 0 ? 0 : 1))) {
        position = close + (sign == 0 ? 2 : 3);
        // A line break after the raw tag stays: Jinja's trim_blocks leaves this tag out.
        afterTag(sign, false);
        raw();
        return;
      }
    }
    add(Kind.BLOCK_BEGIN, "{%");
    tag("%}", Kind.BLOCK_END);
  }

  private void raw() {
    for (int i = source.indexOf("{%", position); i >= 0; i = source.indexOf("{%", i + 1)) {
      char open = sign(i + 2);
      int name = skipSpace(i + (open == 0 ? 2 : 3));
      if (!source.startsWith("endraw", name)) {
        continue;
      }
      int end = skipSpace(name + 6);
      char close = sign(end);
      int delimiter = end + (close == 0 ? 0 : 1);
      if (source.startsWith("%}", delimiter)) {
        atLineStart = source.charAt(position - 1) == '\n';
        data(beforeTag(source.substring(position, i), '%', open));
        position = delimiter + 2;
        afterTag(close, true);
        return;
      }
    }
    throw new TemplateException("'raw' has no 'endraw'");
  }

  /** Tokens up to the end of a tag; an end mark inside brackets belongs to the expression. */
  private void tag(String end, Kind endKind) {
    Deque<Character> open = new ArrayDeque<>();
    while (true) {
      position = skipSpace(position);
      if (position >= source.length()) {
        throw new TemplateException("this tag has no end '" + end + "'");
      }
      if (open.isEmpty()) {
        char sign = sign(position);
        if (source.startsWith(end, position + (sign == 0 ? 0 : 1))
            && !(sign == '+' && endKind == Kind.OUTPUT_END)) {
          add(endKind, end);
          position += sign == 0 ? 2 : 3;
          afterTag(sign, endKind == Kind.BLOCK_END);
          return;
        }
      }
      token(open);
    }
  }

  private void afterTag(char sign, boolean trimLineBreak) {
    if (sign == '-') {
      position = skipSpace(position);
    } else if (sign == 0 && trimLineBreak && source.startsWith("\n", position)) {
      position++;
    }
  }

  private void token(Deque<Character> open) {
    char c = source.charAt(position);
    if (c == '\'' || c == '"') {
      string(c);
    } else if (c >= '0' && c <= '9') {
      number();
    } else if (c == '_' || Character.isUnicodeIdentifierStart(c)) {
      int end = position;
      while (end < source.length()
          && (source.charAt(end) == '_' || Character.isUnicodeIdentifierPart(source.charAt(end)))) {
        end++;
      }
      addTo(Kind.NAME, end);
    } else {
      operator(open);
    }
  }

  private void operator(Deque<Character> open) {
    for (String operator : OPERATORS) {
      if (source.startsWith(operator, position)) {
        char c = operator.charAt(0);
        if ("([{".indexOf(c) >= 0) {
          open.push(c == '(' ? ')' : c == '[' ? ']' : '}');
        } else if (")]}".indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
          throw new TemplateException("unexpected '" + c + "'");
        }
        addTo(Kind.OPERATOR, position + operator.length());
        return;
      }
    }
    throw new TemplateException("unexpected character '" + source.charAt(position) + "'");
  }

  private void string(char quote) {
    int end = position + 1;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw new TemplateException("this string has no end " + quote);
    }
    add(Kind.STRING, PythonText.unescape(source.substring(position + 1, end)));
    position = end + 1;
  }

  private void number() {
    int end = digits(position);
    boolean afterDot = position > 0 && source.charAt(position - 1) == '.';
    Kind kind = Kind.INTEGER;
    if (!afterDot && charAt(end) == '.' && isDigit(charAt(end + 1))) {
      kind = Kind.FLOAT;
      end = digits(end + 1);
    }
    if (!afterDot && (charAt(end) == 'e' || charAt(end) == 'E')) {
      int exponent = charAt(end + 1) == '+' || charAt(end + 1) == '-' ? end + 2 : end + 1;
      if (isDigit(charAt(exponent))) {
        kind = Kind.FLOAT;
        end = digits(exponent);
      }
    }
    add(kind, source.substring(position, end).replace("_", ""));
    position = end;
  }

  private int digits(int from) {
    int end = from;
    while (isDigit(charAt(end)) || (charAt(end) == '_' && isDigit(charAt(end + 1)))) {
      end++;
    }
    return end;
  }

  private char charAt(int at) {
    return at < source.length() ? source.charAt(at) : 0;
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private int skipSpace(int from) {
    int end = from;
    while (end < source.length() && PythonText.isSpace(source.charAt(end))) {
      end++;
    }
    return end;
  }

  private void addTo(Kind kind, int end) {
    add(kind, source.substring(position, end));
    position = end;
  }

  private void add(Kind kind, String text) {
    tokens.add(new Token(kind, text, line()));
  }

  /** Line of the current position, counted on from the last call. */
  private int line() {
    for (; lineCountedTo < Math.min(position, source.length()); lineCountedTo++) {
      line += source.charAt(lineCountedTo) == '\n' ? 1 : 0;
    }
    return line;
  }
}
