package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * {@code tojson} as HF transformers defines it: Python's {@code json.dumps} with {@code
 * ensure_ascii=False} and no HTML escapes.
 */
final class Json {
  private static final int MAX_DEPTH = 100;

  private final StringBuilder out = new StringBuilder();
  private final Rendering rendering;
  private final boolean ascii;
  private final boolean sortKeys;
  private final String margin;
  private final String itemSeparator;
  private final String keySeparator;
  private int depth;

  private Json(Arguments arguments, Rendering rendering) {
    this.rendering = rendering;
    this.ascii = arguments.flag(0, "ensure_ascii", false);
    Object indent = arguments.get(1, "indent", null);
    this.margin =
        indent == null
            ? null
            : indent instanceof String s
                ? s
                : (String) Arithmetic.apply("*", " ", Values.integer(indent), rendering);
    Object separators = arguments.get(2, "separators", null);
    List<Object> pair =
        separators == null
            ? List.of(indent == null ? ", " : ",", ": ")
            : Values.iterate(separators);
    if (pair.size() != 2) {
      throw new TemplateException("tojson's separators are two strings");
    }
    this.itemSeparator = Values.string(pair.get(0));
    this.keySeparator = Values.string(pair.get(1));
    this.sortKeys = arguments.flag(3, "sort_keys", false);
  }

  static String write(Object value, Arguments arguments, Rendering rendering) {
    Json json =
        new Json(arguments.allow("ensure_ascii", "indent", "separators", "sort_keys"), rendering);
    json.value(value);
    return json.out.toString();
  }

  private void value(Object value) {
    rendering.spend(1);
    if (value == null) {
      out.append("null");
    } else if (value instanceof Boolean || value instanceof Long) {
      out.append(value);
    } else if (value instanceof Double d) {
      out.append(number(d));
    } else if (value instanceof String s) {
      string(s);
    } else if (value instanceof List<?> list) {
      sequence(list, '[', ']', this::value);
    } else if (value instanceof Map<?, ?> map) {
      sequence(entries(map), '{', '}', this::entry);
    } else {
      throw new TemplateException(
          "tojson cannot write a value of type " + Values.typeName(Values.defined(value)));
    }
  }

  private static String number(double value) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return Double.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    }
    return PythonText.number(value);
  }

  private List<Map.Entry<?, ?>> entries(Map<?, ?> map) {
    List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
    if (sortKeys) {
      entries.sort((a, b) -> Values.compare(a.getKey(), b.getKey()));
    }
    return entries;
  }

  private void entry(Map.Entry<?, ?> entry) {
    Object key = entry.getKey();
    if (key instanceof String s) {
      string(s);
    } else {
      out.append('"');
      value(key);
      out.append('"');
    }
    out.append(keySeparator);
    value(entry.getValue());
  }

  private <T> void sequence(
      List<T> items, char open, char close, java.util.function.Consumer<T> each) {
    out.append(open);
    if (++depth > MAX_DEPTH) {
      throw new TemplateException("tojson: nested more than " + MAX_DEPTH + " deep");
    }
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : itemSeparator);
      newLine();
      each.accept(items.get(i));
    }
    depth--;
    if (!items.isEmpty()) {
      newLine();
    }
    out.append(close);
  }

  private void newLine() {
    if (margin != null) {
      rendering.reserve((long) margin.length() * depth);
      out.append('\n').append(margin.repeat(depth));
    }
  }

  private void string(String text) {
    rendering.reserve(text.length());
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      int named = "\n\r\t\b\f\"\\".indexOf(c);
      if (named >= 0) {
        out.append('\\').append("nrtbf\"\\".charAt(named));
      } else if (c < 0x20 || ascii && c > 0x7e) {
        out.append("\\u%04x".formatted((int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
