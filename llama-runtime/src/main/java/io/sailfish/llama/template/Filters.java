package io.sailfish.llama.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What stands after {@code |}, for single values; {@link SequenceFilters} has those for lists. */
final class Filters {
  /** Value in, value out. */
  interface Filter {
    Object apply(Object value, Arguments arguments, Rendering rendering);
  }

  private static final Map<String, Filter> FILTERS =
      Map.ofEntries(
          Map.entry("trim", (v, a, r) -> trim(PythonText.str(v), a)),
          Map.entry("upper", (v, a, r) -> PythonText.str(v).toUpperCase(Locale.ROOT)),
          Map.entry("lower", (v, a, r) -> PythonText.str(v).toLowerCase(Locale.ROOT)),
          Map.entry("capitalize", (v, a, r) -> StringMethods.capitalize(PythonText.str(v))),
          Map.entry("title", (v, a, r) -> title(PythonText.str(v))),
          Map.entry("replace", Filters::replace),
          Map.entry("indent", Filters::indent),
          Map.entry("string", (v, a, r) -> PythonText.str(v)),
          Map.entry("safe", (v, a, r) -> v),
          Map.entry("default", (v, a, r) -> orDefault(v, a)),
          Map.entry("d", (v, a, r) -> orDefault(v, a)),
          Map.entry("length", (v, a, r) -> Values.length(v)),
          Map.entry("count", (v, a, r) -> Values.length(v)),
          Map.entry("abs", (v, a, r) -> abs(v)),
          Map.entry("round", (v, a, r) -> round(v, a)),
          Map.entry("int", (v, a, r) -> toInt(v, a)),
          Map.entry("float", (v, a, r) -> toFloat(v, a)),
          Map.entry("items", (v, a, r) -> items(v)),
          Map.entry("attr", (v, a, r) -> attribute(v, a)),
          Map.entry("reverse", (v, a, r) -> reverse(v)),
          Map.entry("tojson", (v, a, r) -> Json.write(v, a, r)));

  private Filters() {}

  static Filter find(String name) {
    Filter filter = FILTERS.get(name);
    filter = filter == null ? SequenceFilters.FILTERS.get(name) : filter;
    if (filter == null) {
      throw new TemplateException("the filter '" + name + "' is not supported");
    }
    return filter;
  }

  static boolean exists(Object name) {
    return name instanceof String s
        && (FILTERS.containsKey(s) || SequenceFilters.FILTERS.containsKey(s));
  }

  private static String trim(String text, Arguments arguments) {
    Object chars = arguments.allow("chars").get(0, "chars", null);
    return PythonText.strip(text, chars == null ? null : Values.string(chars), true, true);
  }

  /** Unlike the method of this name: words start after white space, hyphens and brackets. */
  private static String title(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean start = true;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      out.appendCodePoint(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
      start = PythonText.isSpace(c) || "-({[<".indexOf(c) >= 0;
    }
    return out.toString();
  }

  private static Object replace(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("old", "new", "count");
    Object count = arguments.get(2, "count", null);
    return StringMethods.replace(
        PythonText.str(value),
        PythonText.str(arguments.required(0, "old")),
        PythonText.str(arguments.required(1, "new")),
        count == null ? -1 : Values.integer(count),
        rendering);
  }

  private static Object indent(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("width", "first", "blank");
    Object width = arguments.get(0, "width", 4L);
    String margin =
        width instanceof String s
            ? s
            : (String) Arithmetic.apply("*", " ", Values.integer(width), rendering);
    boolean blank = arguments.flag(2, "blank", false);
    String text = PythonText.str(value);
    List<String> lines = StringMethods.lines(text + "\n");
    rendering.reserve(text.length() + (long) lines.size() * margin.length());
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      boolean indented = i > 0 ? blank || !line.isEmpty() : arguments.flag(1, "first", false);
      out.append(i == 0 ? "" : "\n").append(indented ? margin : "").append(line);
    }
    return out.toString();
  }

  private static Object orDefault(Object value, Arguments arguments) {
    arguments.allow("default_value", "boolean");
    boolean replaced =
        value instanceof Undefined || arguments.flag(1, "boolean", false) && !Values.truth(value);
    return replaced ? arguments.get(0, "default_value", "") : value;
  }

  private static Object abs(Object value) {
    if (!Values.isNumber(value)) {
      throw new TemplateException("abs needs a number, got " + Values.typeName(value));
    }
    return Values.asDouble(value) < 0 ? Arithmetic.negate(value) : value;
  }

  private static Object round(Object value, Arguments arguments) {
    arguments.allow("precision", "method");
    if (!Values.isNumber(value)) {
      throw new TemplateException("round needs a number, got " + Values.typeName(value));
    }
    int precision = (int) Values.integer(arguments.get(0, "precision", 0L));
    String method = Values.string(arguments.get(1, "method", "common"));
    RoundingMode mode =
        switch (method) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new TemplateException("round has no method '" + method + "'");
        };
    boolean keepsInt = !(value instanceof Double) && method.equals("common");
    return keepsInt
        ? value
        : (Object) new BigDecimal(Values.asDouble(value)).setScale(precision, mode).doubleValue();
  }

  private static Object toInt(Object value, Arguments arguments) {
    arguments.allow("default", "base");
    int base = (int) Values.integer(arguments.get(1, "base", 10L));
    try {
      if (value instanceof String s) {
        String digits = PythonText.strip(s, null, true, true).replace("_", "");
        String prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : " ";
        boolean prefixed = digits.toLowerCase(Locale.ROOT).startsWith(prefix);
        return base == 10 && !digits.matches("[+-]?[0-9]+")
            ? (long) Double.parseDouble(digits)
            : Long.parseLong(prefixed ? digits.substring(2) : digits, base);
      }
      if (Values.isNumber(value)) {
        return value instanceof Double d ? (long) (double) d : Values.asLong(value);
      }
    } catch (NumberFormatException e) {
      // Text that is no number has the default, as everything else.
    }
    Values.defined(value);
    return arguments.get(0, "default", 0L);
  }

  private static Object toFloat(Object value, Arguments arguments) {
    arguments.allow("default");
    try {
      if (value instanceof String s) {
        return Double.valueOf(PythonText.strip(s, null, true, true));
      }
      if (Values.isNumber(value)) {
        return Values.asDouble(value);
      }
    } catch (NumberFormatException e) {
      // Text that is no number has the default, as everything else.
    }
    Values.defined(value);
    return arguments.get(0, "default", 0.0);
  }

  private static Object items(Object value) {
    if (value instanceof Undefined) {
      return List.of();
    }
    if (value instanceof Map<?, ?> map) {
      return CollectionMethods.items(map);
    }
    throw new TemplateException("items needs a dict, got " + Values.typeName(value));
  }

  private static Object attribute(Object value, Arguments arguments) {
    String name = Values.string(arguments.allow("name").required(0, "name"));
    Values.defined(value);
    // Unlike the dot, this filter does not look into dicts.
    return value instanceof Map<?, ?> map && map.containsKey(name)
        ? Undefined.attribute(value, name)
        : Values.attribute(value, name);
  }

  private static Object reverse(Object value) {
    if (value instanceof String s) {
      return new StringBuilder(s).reverse().toString();
    }
    List<Object> items = new ArrayList<>(Values.iterate(value));
    Collections.reverse(items);
    return items;
  }
}
