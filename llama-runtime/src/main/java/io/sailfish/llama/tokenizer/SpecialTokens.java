package io.sailfish.llama.tokenizer;

import io.sailfish.llama.template.UserText;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Texts of the special tokens: finds them in a rendered prompt and breaks them in a row's text.
 *
 * <p>In escaped text a run of break characters is twice as long as in the row, and one longer where
 * a special token was broken; so {@link #unescape} halves each run and the row's own survive.
 */
final class SpecialTokens {
  /** A token that is control wherever its text stands unbroken. */
  record Special(int id, String text, boolean stripLeft, boolean stripRight) {}

  /** A part of a rendered prompt: text between specials, or (text null) a special. */
  record Part(String text, int id) {}

  private final Map<Character, List<Special>> byFirst = new HashMap<>();
  private final int longest;

  SpecialTokens(List<Special> specials) {
    int max = 0;
    for (Special s : specials) {
      // One character cannot be broken; such a token is text wherever it stands.
      if (s.text.codePointCount(0, s.text.length()) > 1) {
        byFirst.computeIfAbsent(s.text.charAt(0), c -> new ArrayList<>()).add(s);
        max = Math.max(max, s.text.length());
      }
    }
    Comparator<Special> longestFirst = Comparator.comparingInt(s -> -s.text.length());
    byFirst.values().forEach(list -> list.sort(longestFirst));
    longest = max;
  }

  /** Row text in which no special token is left; see {@link UserText}. */
  String escape(String text) {
    StringBuilder out = null;
    int copied = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != UserText.BREAK && matchAt(text, i) == null) {
        continue;
      }
      out = out == null ? new StringBuilder(text.length() + 16) : out;
      int end = Character.charCount(text.codePointAt(i)) + i;
      out.append(text, copied, end).append(UserText.BREAK);
      copied = end;
    }
    boolean openEnd = endsWithBeginningOfSpecial(text);
    if (out == null && !openEnd) {
      return text;
    }
    out = out == null ? new StringBuilder(text.length() + 1) : out;
    out.append(text, copied, text.length());
    return openEnd ? out.append(UserText.BREAK).toString() : out.toString();
  }

  /** Takes the break characters out that {@link #escape} put in. */
  static String unescape(String text) {
    if (text.indexOf(UserText.BREAK) < 0) {
      return text;
    }
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); ) {
      int run = i;
      while (run < text.length() && text.charAt(run) == UserText.BREAK) {
        run++;
      }
      if (run == i) {
        out.append(text.charAt(i++));
      } else {
        out.append(String.valueOf(UserText.BREAK).repeat((run - i) / 2));
        i = run;
      }
    }
    return out.toString();
  }

  /** Cuts a rendered prompt at its special tokens; texts are unescaped. */
  List<Part> split(String rendered) {
    List<Part> parts = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < rendered.length(); ) {
      Special s = matchAt(rendered, i);
      if (s == null) {
        i++;
        continue;
      }
      int textEnd = s.stripLeft ? skipSpace(rendered, i, from, -1) : i;
      addText(parts, rendered.substring(from, textEnd));
      parts.add(new Part(null, s.id));
      i += s.text.length();
      i = s.stripRight ? skipSpace(rendered, i, rendered.length(), 1) : i;
      from = i;
    }
    addText(parts, rendered.substring(from));
    return parts;
  }

  private static void addText(List<Part> parts, String text) {
    String plain = unescape(text);
    if (!plain.isEmpty()) {
      parts.add(new Part(plain, -1));
    }
  }

  private static int skipSpace(String text, int from, int end, int step) {
    int i = from;
    while (i != end && Character.isWhitespace(text.charAt(step > 0 ? i : i - 1))) {
      i += step;
    }
    return i;
  }

  /** The longest special whose text starts at {@code i}, or null. */
  private Special matchAt(String text, int i) {
    List<Special> candidates = byFirst.get(text.charAt(i));
    if (candidates != null) {
      for (Special s : candidates) {
        if (text.startsWith(s.text, i)) {
          return s;
        }
      }
    }
    return null;
  }

  /** What a template writes next could complete it. */
  private boolean endsWithBeginningOfSpecial(String text) {
    for (int i = Math.max(0, text.length() - longest + 1); i < text.length(); i++) {
      String tail = text.substring(i);
      for (Special s : byFirst.getOrDefault(text.charAt(i), List.of())) {
        if (s.text.length() > tail.length() && s.text.startsWith(tail)) {
          return true;
        }
      }
    }
    return false;
  }
}
