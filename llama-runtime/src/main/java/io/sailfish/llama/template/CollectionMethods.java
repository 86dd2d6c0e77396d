package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Methods of lists and dicts that do not change them; the others are refused as in HF's sandbox.
 */
final class CollectionMethods {
  private static final Set<String> CHANGING_LISTS =
      Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
  private static final Set<String> CHANGING_DICTS =
      Set.of("clear", "pop", "popitem", "setdefault", "update");

  private CollectionMethods() {}

  /** Null when there is no such method. */
  static Callable find(Object owner, String name) {
    boolean isDict = owner instanceof Map;
    if ((isDict ? CHANGING_DICTS : CHANGING_LISTS).contains(name)) {
      return (rendering, arguments) -> {
        throw new TemplateException(
            "'%s' would change a %s, which templates must not do"
                .formatted(name, Values.typeName(owner)));
      };
    }
    return isDict ? ofDict((Map<?, ?>) owner, name) : ofList((List<?>) owner, name);
  }

  private static Callable ofDict(Map<?, ?> dict, String name) {
    return switch (name) {
      case "items" -> (rendering, arguments) -> items(dict);
      case "keys" -> (rendering, arguments) -> new ArrayList<Object>(dict.keySet());
      case "values" -> (rendering, arguments) -> new ArrayList<Object>(dict.values());
      case "copy" -> (rendering, arguments) -> dict;
      case "get" ->
          (rendering, arguments) -> {
            Object key = arguments.allow("key", "default").required(0, "key");
            return dict.containsKey(key) ? dict.get(key) : arguments.get(1, "default", null);
          };
      default -> null;
    };
  }

  static List<Object> items(Map<?, ?> dict) {
    List<Object> items = new ArrayList<>(dict.size());
    dict.forEach((key, value) -> items.add(Tuple.of(key, value)));
    return items;
  }

  private static Callable ofList(List<?> list, String name) {
    return switch (name) {
      case "copy" -> (rendering, arguments) -> list;
      case "count" ->
          (rendering, arguments) -> {
            Object item = arguments.required(0, "value");
            return list.stream().filter(other -> Values.equal(other, item)).count();
          };
      case "index" ->
          (rendering, arguments) -> {
            Object item = arguments.required(0, "value");
            for (int i = 0; i < list.size(); i++) {
              if (Values.equal(list.get(i), item)) {
                return (long) i;
              }
            }
            throw new TemplateException(PythonText.repr(item) + " is not in the list");
          };
      default -> null;
    };
  }
}
