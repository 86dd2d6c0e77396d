package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;

/** Python's string methods. */
final class StringMethods {
  /** A method: the string, its arguments. */
  private interface Method {
    Object call(String self, Arguments arguments, Rendering rendering);
  }

  private static final Map<String, Method> METHODS =
      Map.ofEntries(
          Map.entry("strip", (s, a, r) -> PythonText.strip(s, chars(a), true, true)),
          Map.entry("lstrip", (s, a, r) -> PythonText.strip(s, chars(a), true, false)),
          Map.entry("rstrip", (s, a, r) -> PythonText.strip(s, chars(a), false, true)),
          Map.entry("startswith", (s, a, r) -> affix(a).stream().anyMatch(s::startsWith)),
          Map.entry("endswith", (s, a, r) -> affix(a).stream().anyMatch(s::endsWith)),
          Map.entry("removeprefix", (s, a, r) -> removePrefix(s, Values.string(one(a)))),
          Map.entry("removesuffix", (s, a, r) -> removeSuffix(s, Values.string(one(a)))),
          Map.entry("split", (s, a, r) -> split(s, a, false)),
          Map.entry("rsplit", (s, a, r) -> split(s, a, true)),
          Map.entry("splitlines", (s, a, r) -> new ArrayList<Object>(lines(s))),
          Map.entry("upper", (s, a, r) -> s.toUpperCase(Locale.ROOT)),
          Map.entry("lower", (s, a, r) -> s.toLowerCase(Locale.ROOT)),
          Map.entry("title", (s, a, r) -> title(s)),
          Map.entry("capitalize", (s, a, r) -> capitalize(s)),
          Map.entry("replace", StringMethods::replace),
          Map.entry("join", (s, a, r) -> join(s, Values.iterate(one(a)), r)),
          Map.entry("find", (s, a, r) -> position(s, s.indexOf(Values.string(one(a))))),
          Map.entry("rfind", (s, a, r) -> position(s, s.lastIndexOf(Values.string(one(a))))),
          Map.entry("count", (s, a, r) -> count(s, Values.string(one(a)))),
          Map.entry("isdigit", (s, a, r) -> all(s, Character::isDigit)),
          Map.entry("isalpha", (s, a, r) -> all(s, Character::isLetter)),
          Map.entry("isalnum", (s, a, r) -> all(s, Character::isLetterOrDigit)),
          Map.entry("isspace", (s, a, r) -> all(s, PythonText::isSpace)),
          Map.entry("isupper", (s, a, r) -> cased(s) && s.equals(s.toUpperCase(Locale.ROOT))),
          Map.entry("islower", (s, a, r) -> cased(s) && s.equals(s.toLowerCase(Locale.ROOT))));

  private StringMethods() {}

  /** Null when there is no such method. */
  static Callable find(String self, String name) {
    Method method = METHODS.get(name);
    return method == null
        ? null
        : (rendering, arguments) -> {
          rendering.reserve(self.length());
          return method.call(self, arguments, rendering);
        };
  }

  private static Object one(Arguments arguments) {
    return arguments.allow("value").required(0, "value");
  }

  private static String chars(Arguments arguments) {
    Object chars = arguments.allow("chars").get(0, "chars", null);
    return chars == null ? null : Values.string(chars);
  }

  private static List<String> affix(Arguments arguments) {
    Object affix = one(arguments);
    return affix instanceof Tuple tuple
        ? tuple.stream().map(Values::string).toList()
        : List.of(Values.string(affix));
  }

  private static String removePrefix(String s, String prefix) {
    return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
  }

  private static String removeSuffix(String s, String suffix) {
    return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
  }

  private static List<Object> split(String s, Arguments arguments, boolean fromRight) {
    Object separator = arguments.allow("sep", "maxsplit").get(0, "sep", null);
    long most = Values.integer(arguments.get(1, "maxsplit", -1L));
    most = most < 0 ? Long.MAX_VALUE : most;
    List<Object> parts = new ArrayList<>();
    if (separator == null) {
      splitAtSpace(s, most, fromRight, parts);
    } else if (Values.string(separator).isEmpty()) {
      throw new TemplateException("split() with an empty separator");
    } else {
      splitAt(s, (String) separator, most, fromRight, parts);
    }
    if (fromRight) {
      Collections.reverse(parts);
    }
    return parts;
  }

  private static void splitAt(
      String s, String separator, long most, boolean fromRight, List<Object> parts) {
    int from = 0;
    int to = s.length();
    while (parts.size() < most) {
      int at =
          fromRight
              ? s.lastIndexOf(separator, to - separator.length())
              : s.indexOf(separator, from);
      if (at < 0) {
        break;
      }
      int after = at + separator.length();
      parts.add(fromRight ? s.substring(after, to) : s.substring(from, at));
      from = fromRight ? 0 : after;
      to = fromRight ? at : s.length();
    }
    parts.add(s.substring(from, to));
  }

  private static void splitAtSpace(String s, long most, boolean fromRight, List<Object> parts) {
    int from = skip(s, 0, s.length(), true, false);
    int to = skip(s, from, s.length(), true, true);
    while (from < to && parts.size() < most) {
      int edge = skip(s, from, to, false, fromRight);
      parts.add(fromRight ? s.substring(edge, to) : s.substring(from, edge));
      int next = fromRight ? skip(s, from, edge, true, true) : skip(s, edge, to, true, false);
      from = fromRight ? from : next;
      to = fromRight ? next : to;
    }
    if (from < to) {
      // Only the side that was split at is stripped, as in Python.
      parts.add(fromRight ? s.substring(0, to) : s.substring(from));
    }
  }

  /** From one end of [from, to) to where the run of (non-)space ends. */
  private static int skip(String s, int from, int to, boolean space, boolean fromRight) {
    int at = fromRight ? to : from;
    while (fromRight
        ? at > from && PythonText.isSpace(s.charAt(at - 1)) == space
        : at < to && PythonText.isSpace(s.charAt(at)) == space) {
      at += fromRight ? -1 : 1;
    }
    return at;
  }

  /** Lines without their ends; no empty line after a last line break. */
  static List<String> lines(String s) {
    List<String> lines = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if ((c >= '\n' && c <= '\r')
          || (c >= 0x1c && c <= 0x1e)
          || c == 0x85
          || c == 0x2028
          || c == 0x2029) {
        lines.add(s.substring(start, i));
        i += c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n' ? 1 : 0;
        start = i + 1;
      }
    }
    if (start < s.length()) {
      lines.add(s.substring(start));
    }
    return lines;
  }

  private static String title(String s) {
    StringBuilder out = new StringBuilder(s.length());
    boolean inWord = false;
    for (int i = 0; i < s.length(); i += Character.charCount(s.codePointAt(i))) {
      int c = s.codePointAt(i);
      out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inWord = Character.isLetter(c);
    }
    return out.toString();
  }

  static String capitalize(String s) {
    if (s.isEmpty()) {
      return s;
    }
    int first = s.codePointAt(0);
    return Character.toString(Character.toTitleCase(first))
        + s.substring(Character.charCount(first)).toLowerCase(Locale.ROOT);
  }

  private static Object replace(String s, Arguments arguments, Rendering rendering) {
    arguments.allow("old", "new", "count");
    String old = Values.string(arguments.required(0, "old"));
    String replacement = Values.string(arguments.required(1, "new"));
    Object count = arguments.get(2, "count", null);
    return replace(s, old, replacement, count == null ? -1 : Values.integer(count), rendering);
  }

  /** {@code most} &lt; 0: all. */
  static String replace(String s, String old, String replacement, long most, Rendering rendering) {
    if (old.isEmpty()) {
      throw new TemplateException("replace() of an empty string is not supported");
    }
    long found = Math.min(count(s, old), most < 0 ? Long.MAX_VALUE : most);
    rendering.reserve(s.length() + found * Math.max(0, replacement.length() - old.length()));
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (long i = 0; i < found; i++) {
      int at = s.indexOf(old, from);
      out.append(s, from, at).append(replacement);
      from = at + old.length();
    }
    return out.append(s, from, s.length()).toString();
  }

  static String join(String separator, List<Object> items, Rendering rendering) {
    long length = 0;
    for (Object item : items) {
      length += separator.length() + (long) Values.string(item).length();
    }
    rendering.reserve(length);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : separator).append(items.get(i));
    }
    return out.toString();
  }

  private static long position(String s, int at) {
    return at < 0 ? -1 : s.codePointCount(0, at);
  }

  private static long count(String s, String part) {
    if (part.isEmpty()) {
      return Values.length(s) + 1;
    }
    long count = 0;
    for (int at = s.indexOf(part); at >= 0; at = s.indexOf(part, at + part.length())) {
      count++;
    }
    return count;
  }

  private static boolean all(String s, IntPredicate test) {
    return !s.isEmpty() && s.codePoints().allMatch(test);
  }

  private static boolean cased(String s) {
    return s.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
  }
}
