package io.sailfish.llama.template;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Functions that every template sees. */
final class Globals {
  /** Jinja's sandbox has the same bound. */
  private static final long MAX_RANGE = 100_000;

  /** strftime directives and their java.time patterns; a hyphen drops leading zeros. */
  private static final Map<String, String> DATE_PATTERNS =
      Map.ofEntries(
          Map.entry("Y", "yyyy"),
          Map.entry("y", "yy"),
          Map.entry("m", "MM"),
          Map.entry("-m", "M"),
          Map.entry("d", "dd"),
          Map.entry("-d", "d"),
          Map.entry("B", "MMMM"),
          Map.entry("b", "MMM"),
          Map.entry("A", "EEEE"),
          Map.entry("a", "EEE"),
          Map.entry("H", "HH"),
          Map.entry("-H", "H"),
          Map.entry("I", "hh"),
          Map.entry("-I", "h"),
          Map.entry("M", "mm"),
          Map.entry("S", "ss"),
          Map.entry("p", "a"),
          Map.entry("j", "DDD"),
          Map.entry("F", "yyyy-MM-dd"),
          Map.entry("T", "HH:mm:ss"));

  private Globals() {}

  static void defineIn(Scope scope) {
    scope.set("raise_exception", (Callable) Globals::raise);
    scope.set("strftime_now", (Callable) Globals::formatNow);
    scope.set("range", (Callable) Globals::range);
    scope.set("dict", (Callable) (rendering, arguments) -> dict(arguments));
    scope.set("namespace", (Callable) Globals::namespace);
  }

  private static Object raise(Rendering rendering, Arguments arguments) {
    throw new TemplateException(
        "the template refuses the conversation: "
            + PythonText.str(arguments.allow("message").required(0, "message")));
  }

  private static Object formatNow(Rendering rendering, Arguments arguments) {
    String format = Values.string(arguments.allow("format").required(0, "format"));
    ZonedDateTime now = ZonedDateTime.now(rendering.clock());
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      if (format.charAt(i) != '%' || i + 1 == format.length()) {
        out.append(format.charAt(i));
        continue;
      }
      int length = format.charAt(i + 1) == '-' && i + 2 < format.length() ? 2 : 1;
      String directive = format.substring(i + 1, i + 1 + length);
      String pattern = DATE_PATTERNS.get(directive);
      if (pattern == null && !directive.equals("%")) {
        throw new TemplateException("strftime_now does not know %" + directive);
      }
      out.append(
          pattern == null ? "%" : DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now));
      i += length;
    }
    return out.toString();
  }

  private static Object range(Rendering rendering, Arguments arguments) {
    List<Object> bounds = arguments.allow("start", "stop", "step").positional();
    long start = bounds.size() < 2 ? 0 : Values.integer(bounds.get(0));
    long stop = Values.integer(bounds.size() < 2 ? arguments.required(0, "stop") : bounds.get(1));
    long step = bounds.size() < 3 ? 1 : Values.integer(bounds.get(2));
    if (step == 0) {
      throw new TemplateException("range() with step 0");
    }
    List<Object> values = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (values.size() == MAX_RANGE) {
        throw new TemplateException("range() has more than " + MAX_RANGE + " numbers");
      }
      values.add(i);
    }
    rendering.spend(values.size());
    return values;
  }

  private static Map<Object, Object> dict(Arguments arguments) {
    Map<Object, Object> dict = new LinkedHashMap<>();
    Object source = arguments.get(0, "", Map.of());
    if (source instanceof Map<?, ?> map) {
      dict.putAll(map);
    } else {
      for (Object pair : Values.iterate(source)) {
        dict.put(Values.item(pair, 0L), Values.item(pair, 1L));
      }
    }
    dict.putAll(arguments.named());
    return dict;
  }

  private static Object namespace(Rendering rendering, Arguments arguments) {
    Namespace namespace = new Namespace();
    dict(arguments).forEach((name, value) -> namespace.set(Values.string(name), value));
    return namespace;
  }
}
