package io.sailfish.bench.gpu;

import java.util.HashMap;
import java.util.Map;

/** {@code --name value} and {@code --flag} on a command line. */
final class Options {
  private final String line;
  private final Map<String, String> values = new HashMap<>();

  Options(String[] args) {
    line = String.join(" ", args);
    for (int i = 0; i < args.length; i++) {
      if (!args[i].startsWith("--")) {
        throw new IllegalArgumentException("expected an option, got " + args[i]);
      }
      boolean hasValue = i + 1 < args.length && !args[i + 1].startsWith("--");
      values.put(args[i].substring(2), hasValue ? args[++i] : "");
    }
  }

  /** As given. */
  String line() {
    return line;
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
