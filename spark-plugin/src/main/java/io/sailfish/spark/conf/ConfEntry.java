package io.sailfish.spark.conf;

import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.spark.network.util.JavaUtils;

/**
 * One setting: its key, meaning, type, check, default and when it may change. A setting cannot be
 * declared without any of them, and {@code docs/configuration.md} is written from the declarations.
 *
 * @param key full name, {@code spark.sailfish.<area>.<lowerCamel>}
 * @param doc one or two sentences for the user
 * @param type word for the documentation, such as {@code size}
 * @param parser text to value; throws {@link IllegalArgumentException} for text of another type
 * @param check what a value must satisfy
 * @param rule the check in words
 * @param defaultText the default as a user would write it; empty = not set
 * @param scope when a change takes effect
 */
public record ConfEntry<T>(
    String key,
    String doc,
    String type,
    Function<String, T> parser,
    Predicate<T> check,
    String rule,
    String defaultText,
    Scope scope) {

  /** When a setting is read. */
  public enum Scope {
    /** Once, when the application starts. */
    STARTUP,
    /** For every query; {@code SET key=value} changes it. */
    RUNTIME
  }

  static Builder<String> text(String key) {
    return new Builder<>(key, "text", s -> s);
  }

  /** One of two or more words. */
  static Builder<String> choice(String key, String... words) {
    List<String> all = List.of(words);
    String allButLast = String.join(", ", all.subList(0, all.size() - 1));
    return text(key)
        .check(all::contains, "must be %s or %s".formatted(allButLast, all.get(all.size() - 1)));
  }

  static Builder<Integer> integer(String key) {
    return new Builder<>(key, "integer", s -> Integer.parseInt(s.trim()));
  }

  static Builder<Long> bytes(String key) {
    return new Builder<>(key, "size", s -> JavaUtils.byteStringAsBytes(s.trim()));
  }

  static Builder<Double> fraction(String key) {
    return new Builder<>(key, "number", s -> Double.parseDouble(s.trim()));
  }

  static Builder<Boolean> flag(String key) {
    return new Builder<>(key, "true or false", ConfEntry::parseFlag);
  }

  private static Boolean parseFlag(String text) {
    return switch (text.trim()) {
      case "true" -> true;
      case "false" -> false;
      default -> throw new IllegalArgumentException("not true or false");
    };
  }

  /** The checked value of {@code text}. */
  T parse(String text) {
    T value;
    try {
      value = parser.apply(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(key + " must be " + article() + ", got '" + text + "'", e);
    }
    if (!check.test(value)) {
      throw new IllegalArgumentException(key + " " + rule + ", got '" + text + "'");
    }
    return value;
  }

  private String article() {
    return (type.startsWith("i") ? "an " : type.startsWith("true") ? "" : "a ") + type;
  }

  /** Collects an entry's parts; {@link #startup} or {@link #runtime} ends it. */
  static final class Builder<T> {
    private final String key;
    private final String type;
    private final Function<String, T> parser;
    private String doc;
    private Predicate<T> check = v -> true;
    private String rule = "";

    private Builder(String key, String type, Function<String, T> parser) {
      this.key = key;
      this.type = type;
      this.parser = parser;
    }

    Builder<T> doc(String text) {
      doc = text;
      return this;
    }

    Builder<T> check(Predicate<T> test, String words) {
      check = test;
      rule = words;
      return this;
    }

    ConfEntry<T> startup(String defaultText) {
      return build(defaultText, Scope.STARTUP);
    }

    ConfEntry<T> runtime(String defaultText) {
      return build(defaultText, Scope.RUNTIME);
    }

    private ConfEntry<T> build(String defaultText, Scope scope) {
      if (doc == null) {
        throw new IllegalStateException(key + " has no documentation");
      }
      ConfEntry<T> entry = new ConfEntry<>(key, doc, type, parser, check, rule, defaultText, scope);
      entry.parse(defaultText);
      return entry;
    }
  }
}
