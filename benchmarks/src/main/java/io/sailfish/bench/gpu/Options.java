package io.sailfish.bench.gpu;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** {@code --name value} and {@code --flag} on a command line. */
final class Options {
  private final Map<String, String> values = new LinkedHashMap<>();

  Options(String[] args) {
    for (int i = 0; i < args.length; i++) {
      if (!args[i].startsWith("--")) {
        throw new IllegalArgumentException("expected an option, got " + args[i]);
      }
      boolean hasValue = i + 1 < args.length && !args[i + 1].startsWith("--");
      values.put(args[i].substring(2), hasValue ? args[++i] : "");
    }
  }

  /** The command line again, less some of it. */
  String without(String... names) {
    return values.entrySet().stream()
        .filter(option -> !List.of(names).contains(option.getKey()))
        .map(option -> ("--" + option.getKey() + " " + option.getValue()).strip())
        .collect(Collectors.joining(" "));
  }

  boolean has(String name) {
    return values.containsKey(name);
  }

  String text(String name, String fallback) {
    return values.getOrDefault(name, fallback);
  }

  long number(String name, long fallback) {
    return has(name) ? Long.parseLong(values.get(name)) : fallback;
  }
}
