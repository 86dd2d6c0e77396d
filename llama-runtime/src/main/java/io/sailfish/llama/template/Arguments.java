package io.sailfish.llama.template;

import java.util.List;
import java.util.Map;

/** Arguments of a call of {@code function}, by position and by name. */
record Arguments(String function, List<Object> positional, Map<String, Object> named) {
  /** The argument at {@code index} or called {@code name}, else {@code fallback}. */
  Object get(int index, String name, Object fallback) {
    if (index < positional.size()) {
      return positional.get(index);
    }
    return named.getOrDefault(name, fallback);
  }

  Object required(int index, String name) {
    if (index >= positional.size() && !named.containsKey(name)) {
      throw new TemplateException(function + "() misses its argument '" + name + "'");
    }
    return get(index, name, null);
  }

  boolean flag(int index, String name, boolean fallback) {
    return Values.truth(get(index, name, fallback));
  }

  /** Refuses arguments that the function does not have; ignoring them would change the prompt. */
  Arguments allow(String... names) {
    if (positional.size() > names.length) {
      throw new TemplateException(
          function + "() takes at most " + names.length + " arguments, got " + positional.size());
    }
    for (String name : named.keySet()) {
      if (!List.of(names).contains(name)) {
        throw new TemplateException(function + "() has no argument '" + name + "'");
      }
    }
    return this;
  }

  /** Without the first {@code count} positional ones. */
  Arguments from(int count, String function) {
    return new Arguments(
        function, positional.subList(Math.min(count, positional.size()), positional.size()), named);
  }
}
