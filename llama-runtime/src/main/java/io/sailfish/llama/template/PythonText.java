package io.sailfish.llama.template;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Map;

/** Strings as Python has them: white space, escapes, {@code str} and {@code repr}. */
final class PythonText {
  private static final String SIMPLE_ESCAPES = "\\\\''\"\"a\u0007b\bf\fn\nr\rt\tv\u000B";

  private PythonText() {}

  static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  static String rstrip(String text) {
    return strip(text, null, false, true);
  }

  /** {@code chars} null: white space. */
  static String strip(String text, String chars, boolean left, boolean right) {
    int from = 0;
    int to = text.length();
    while (left && from < to && stripped(text.codePointAt(from), chars)) {
      from += Character.charCount(text.codePointAt(from));
    }
    while (right && to > from && stripped(text.codePointBefore(to), chars)) {
      to -= Character.charCount(text.codePointBefore(to));
    }
    return text.substring(from, to);
  }

  private static boolean stripped(int c, String chars) {
    return chars == null ? isSpace(c) : chars.indexOf(c) >= 0;
  }

  /** Value of a string literal between its quotes; unknown escapes stay as they are. */
  static String unescape(String literal) {
    if (literal.indexOf('\\') < 0) {
      return literal;
    }
    StringBuilder out = new StringBuilder();
    int i = 0;
    while (i < literal.length()) {
      char c = literal.charAt(i++);
      if (c != '\\' || i == literal.length()) {
        out.append(c);
        continue;
      }
      char escape = literal.charAt(i++);
      int digits = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
      int simple = simpleEscape(escape);
      if (digits > 0) {
        out.appendCodePoint(codePoint(literal, i, digits));
        i += digits;
      } else if (escape >= '0' && escape <= '7') {
        int end = i;
        while (end < literal.length() && end < i + 2 && isOctal(literal.charAt(end))) {
          end++;
        }
        out.appendCodePoint(Integer.parseInt(literal.substring(i - 1, end), 8));
        i = end;
      } else if (simple >= 0) {
        out.append((char) simple);
      } else if (escape != '\n') {
        out.append('\\').append(escape);
      }
    }
    return out.toString();
  }

  private static int simpleEscape(char escape) {
    for (int i = 0; i < SIMPLE_ESCAPES.length(); i += 2) {
      if (SIMPLE_ESCAPES.charAt(i) == escape) {
        return SIMPLE_ESCAPES.charAt(i + 1);
      }
    }
    return -1;
  }

  private static boolean isOctal(char c) {
    return c >= '0' && c <= '7';
  }

  private static int codePoint(String literal, int from, int digits) {
    try {
      int value = Integer.parseInt(literal.substring(from, from + digits), 16);
      if (Character.isValidCodePoint(value)) {
        return value;
      }
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      // Answered below, with the other ways to be wrong.
    }
    throw new TemplateException("bad escape in the string '" + literal + "'");
  }

  /** {@code str(value)}: what {@code {{ value }}} prints. */
  static String str(Object value) {
    if (value instanceof String s) {
      return s;
    }
    if (value instanceof Undefined) {
      return "";
    }
    return repr(value);
  }

  static String repr(Object value) {
    if (value == null) {
      return "None";
    }
    if (value instanceof Boolean b) {
      return b ? "True" : "False";
    }
    if (value instanceof Double d) {
      return number(d);
    }
    if (value instanceof String s) {
      return quoted(s);
    }
    StringBuilder out = new StringBuilder();
    if (value instanceof List<?> list) {
      boolean tuple = value instanceof Tuple;
      out.append(tuple ? '(' : '[');
      for (int i = 0; i < list.size(); i++) {
        out.append(i == 0 ? "" : ", ").append(repr(list.get(i)));
      }
      return out.append(tuple && list.size() == 1 ? "," : "").append(tuple ? ')' : ']').toString();
    }
    if (value instanceof Map<?, ?> map) {
      out.append('{');
      map.forEach(
          (k, v) -> out.append(out.length() == 1 ? "" : ", ").append(repr(k) + ": " + repr(v)));
      return out.append('}').toString();
    }
    return value.toString();
  }

  /** Shortest digits that read back as the same double, in Python's notation. */
  static String number(double value) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    BigDecimal exact = new BigDecimal(value);
    BigDecimal shortest = exact;
    for (int digits = 1; digits <= 17; digits++) {
      shortest = exact.round(new MathContext(digits));
      if (shortest.doubleValue() == value) {
        break;
      }
    }
    shortest = shortest.stripTrailingZeros();
    int exponent = shortest.precision() - shortest.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = shortest.toPlainString();
      return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }
    String digits = shortest.unscaledValue().abs().toString();
    String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
    return "%s%se%s%02d"
        .formatted(value < 0 ? "-" : "", mantissa, exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  private static String quoted(String text) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    StringBuilder out = new StringBuilder().append(quote);
    text.codePoints()
        .forEach(
            c -> {
              int named = "\n\r\t".indexOf(c);
              if (c == quote || c == '\\') {
                out.append('\\').appendCodePoint(c);
              } else if (named >= 0) {
                out.append('\\').append("nrt".charAt(named));
              } else if (isPrintable(c)) {
                out.appendCodePoint(c);
              } else {
                out.append((c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x").formatted(c));
              }
            });
    return out.append(quote).toString();
  }

  private static boolean isPrintable(int c) {
    if (c == ' ') {
      return true;
    }
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
