package io.sailfish.llama.template;

import io.sailfish.llama.template.Filters.Filter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;

/** Filters over the items of a list, dict or string. */
final class SequenceFilters {
  static final Map<String, Filter> FILTERS =
      Map.ofEntries(
          Map.entry("list", (v, a, r) -> new ArrayList<>(items(v, r))),
          Map.entry("first", (v, a, r) -> edge(items(v, r), true)),
          Map.entry("last", (v, a, r) -> edge(items(v, r), false)),
          Map.entry("join", SequenceFilters::join),
          Map.entry("map", SequenceFilters::map),
          Map.entry("select", (v, a, r) -> select(v, a, r, false, true)),
          Map.entry("reject", (v, a, r) -> select(v, a, r, false, false)),
          Map.entry("selectattr", (v, a, r) -> select(v, a, r, true, true)),
          Map.entry("rejectattr", (v, a, r) -> select(v, a, r, true, false)),
          Map.entry("sort", SequenceFilters::sort),
          Map.entry("dictsort", SequenceFilters::sortDict),
          Map.entry("unique", SequenceFilters::unique),
          Map.entry("min", (v, a, r) -> extreme(v, a, r, -1)),
          Map.entry("max", (v, a, r) -> extreme(v, a, r, 1)),
          Map.entry("sum", SequenceFilters::sum));

  private SequenceFilters() {}

  private static List<Object> items(Object value, Rendering rendering) {
    List<Object> items = Values.iterate(value);
    rendering.spend(items.size());
    return items;
  }

  private static Object edge(List<Object> items, boolean first) {
    if (items.isEmpty()) {
      return new Undefined("the sequence is empty");
    }
    return items.get(first ? 0 : items.size() - 1);
  }

  private static Object join(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("d", "attribute");
    Function<Object, Object> attribute = attribute(arguments.get(1, "attribute", null));
    List<Object> texts = new ArrayList<>();
    items(value, rendering).forEach(item -> texts.add(PythonText.str(attribute.apply(item))));
    return StringMethods.join(PythonText.str(arguments.get(0, "d", "")), texts, rendering);
  }

  private static Object map(Object value, Arguments arguments, Rendering rendering) {
    Function<Object, Object> change;
    if (arguments.named().containsKey("attribute")) {
      Object fallback = arguments.named().get("default");
      boolean hasFallback = arguments.named().containsKey("default");
      Function<Object, Object> attribute = attribute(arguments.named().get("attribute"));
      change =
          item -> {
            Object found = attribute.apply(item);
            return hasFallback && found instanceof Undefined ? fallback : found;
          };
    } else {
      String name = Values.string(arguments.required(0, "filter"));
      Filter filter = Filters.find(name);
      Arguments rest = arguments.from(1, name);
      change = item -> filter.apply(item, rest, rendering);
    }
    List<Object> mapped = new ArrayList<>();
    items(value, rendering).forEach(item -> mapped.add(change.apply(item)));
    return mapped;
  }

  private static Object select(
      Object value, Arguments arguments, Rendering rendering, boolean byAttribute, boolean keep) {
    Function<Object, Object> subject =
        byAttribute ? attribute(arguments.required(0, "attribute")) : item -> item;
    Arguments rest = arguments.from(byAttribute ? 1 : 0, arguments.function());
    Predicate<Object> test = Values::truth;
    if (!rest.positional().isEmpty()) {
      String name = Values.string(rest.positional().get(0));
      Tests.Test named = Tests.find(name);
      Arguments testArguments = rest.from(1, name);
      test = item -> named.holds(item, testArguments);
    }
    List<Object> chosen = new ArrayList<>();
    for (Object item : items(value, rendering)) {
      if (test.test(subject.apply(item)) == keep) {
        chosen.add(item);
      }
    }
    return chosen;
  }

  private static Object sort(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("reverse", "case_sensitive", "attribute");
    Function<Object, Object> key =
        key(arguments.get(2, "attribute", null), arguments.flag(1, "case_sensitive", false));
    return sorted(items(value, rendering), key, arguments.flag(0, "reverse", false), rendering);
  }

  private static Object sortDict(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("case_sensitive", "by", "reverse");
    if (!(value instanceof Map<?, ?> dict)) {
      throw new TemplateException("dictsort needs a dict, got " + Values.typeName(value));
    }
    Object by = Values.equal(arguments.get(1, "by", "key"), "value") ? 1L : 0L;
    Function<Object, Object> key = key(by, arguments.flag(0, "case_sensitive", false));
    return sorted(
        CollectionMethods.items(dict), key, arguments.flag(2, "reverse", false), rendering);
  }

  private static List<Object> sorted(
      List<Object> items, Function<Object, Object> key, boolean reverse, Rendering rendering) {
    rendering.spend(items.size() * 20L);
    Comparator<Object> order = (a, b) -> Values.compare(key.apply(a), key.apply(b));
    List<Object> sorted = new ArrayList<>(items);
    sorted.sort(reverse ? order.reversed() : order);
    return sorted;
  }

  private static Object unique(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("case_sensitive", "attribute");
    Function<Object, Object> key =
        key(arguments.get(1, "attribute", null), arguments.flag(0, "case_sensitive", false));
    List<Object> seen = new ArrayList<>();
    List<Object> chosen = new ArrayList<>();
    for (Object item : items(value, rendering)) {
      Object itemKey = key.apply(item);
      rendering.spend(seen.size());
      if (seen.stream().noneMatch(other -> Values.equal(other, itemKey))) {
        seen.add(itemKey);
        chosen.add(item);
      }
    }
    return chosen;
  }

  private static Object extreme(Object value, Arguments arguments, Rendering rendering, int sign) {
    arguments.allow("case_sensitive", "attribute");
    Function<Object, Object> key =
        key(arguments.get(1, "attribute", null), arguments.flag(0, "case_sensitive", false));
    Object best = null;
    List<Object> items = items(value, rendering);
    for (int i = 0; i < items.size(); i++) {
      boolean better =
          i == 0 || Values.compare(key.apply(items.get(i)), key.apply(best)) * sign > 0;
      best = better ? items.get(i) : best;
    }
    return items.isEmpty() ? new Undefined("the sequence is empty") : best;
  }

  private static Object sum(Object value, Arguments arguments, Rendering rendering) {
    arguments.allow("attribute", "start");
    Function<Object, Object> attribute = attribute(arguments.get(0, "attribute", null));
    Object total = arguments.get(1, "start", 0L);
    for (Object item : items(value, rendering)) {
      total = Arithmetic.apply("+", total, attribute.apply(item), rendering);
    }
    return total;
  }

  private static Function<Object, Object> key(Object attribute, boolean caseSensitive) {
    Function<Object, Object> plain = attribute(attribute);
    return item -> {
      Object key = plain.apply(item);
      return !caseSensitive && key instanceof String s ? s.toLowerCase(Locale.ROOT) : key;
    };
  }

  /** Null: the item itself. Text: attributes and, where they are digits, items; joined by dots. */
  private static Function<Object, Object> attribute(Object path) {
    if (path == null) {
      return item -> item;
    }
    if (path instanceof Long index) {
      return item -> Values.item(item, index);
    }
    String[] steps = Values.string(path).split("\\.");
    return item -> {
      Object value = item;
      for (String step : steps) {
        value = Values.item(value, step.matches("[0-9]{1,9}") ? Long.valueOf(step) : step);
      }
      return value;
    };
  }
}
