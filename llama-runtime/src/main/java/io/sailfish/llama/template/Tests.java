package io.sailfish.llama.template;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What stands after {@code is}. */
final class Tests {
  /** Whether the value has the property. */
  interface Test {
    boolean holds(Object value, Arguments arguments);
  }

  private static final Map<String, Test> TESTS =
      Map.ofEntries(
          Map.entry("defined", (v, a) -> !(v instanceof Undefined)),
          Map.entry("undefined", (v, a) -> v instanceof Undefined),
          Map.entry("none", (v, a) -> v == null),
          Map.entry("boolean", (v, a) -> v instanceof Boolean),
          Map.entry("true", (v, a) -> Boolean.TRUE.equals(v)),
          Map.entry("false", (v, a) -> Boolean.FALSE.equals(v)),
          Map.entry("string", (v, a) -> v instanceof String),
          Map.entry("number", (v, a) -> Values.isNumber(v)),
          Map.entry("integer", (v, a) -> v instanceof Long),
          Map.entry("float", (v, a) -> v instanceof Double),
          Map.entry("mapping", (v, a) -> v instanceof Map),
          Map.entry("sequence", (v, a) -> isIterable(v)),
          Map.entry("iterable", (v, a) -> isIterable(v)),
          Map.entry("callable", (v, a) -> v instanceof Callable),
          Map.entry("odd", (v, a) -> Math.floorMod(Values.integer(v), 2) == 1),
          Map.entry("even", (v, a) -> Math.floorMod(Values.integer(v), 2) == 0),
          Map.entry("divisibleby", (v, a) -> divides(Values.integer(other(a)), Values.integer(v))),
          Map.entry("lower", (v, a) -> isLower(PythonText.str(v))),
          Map.entry("upper", (v, a) -> isUpper(PythonText.str(v))),
          Map.entry("in", (v, a) -> Values.contains(other(a), v)),
          Map.entry("sameas", (v, a) -> same(v, other(a))),
          Map.entry("eq", (v, a) -> Values.equal(v, other(a))),
          Map.entry("equalto", (v, a) -> Values.equal(v, other(a))),
          Map.entry("ne", (v, a) -> !Values.equal(v, other(a))),
          Map.entry("lt", (v, a) -> Values.compare(v, other(a)) < 0),
          Map.entry("lessthan", (v, a) -> Values.compare(v, other(a)) < 0),
          Map.entry("le", (v, a) -> Values.compare(v, other(a)) <= 0),
          Map.entry("gt", (v, a) -> Values.compare(v, other(a)) > 0),
          Map.entry("greaterthan", (v, a) -> Values.compare(v, other(a)) > 0),
          Map.entry("ge", (v, a) -> Values.compare(v, other(a)) >= 0),
          Map.entry("filter", (v, a) -> Filters.exists(v)),
          Map.entry("test", (v, a) -> exists(v)));

  private static final Map<String, String> SYMBOLS =
      Map.of("==", "eq", "!=", "ne", "<", "lt", "<=", "le", ">", "gt", ">=", "ge");

  private Tests() {}

  static Test find(String name) {
    Test test = TESTS.get(SYMBOLS.getOrDefault(name, name));
    if (test == null) {
      throw new TemplateException("the test '" + name + "' is not supported");
    }
    return test;
  }

  private static boolean exists(Object name) {
    return name instanceof String s && TESTS.containsKey(SYMBOLS.getOrDefault(s, s));
  }

  private static Object other(Arguments arguments) {
    return arguments.allow("other").required(0, "other");
  }

  private static boolean isIterable(Object value) {
    return value instanceof String
        || value instanceof List
        || value instanceof Map
        || value instanceof Undefined;
  }

  private static boolean divides(long divisor, long value) {
    if (divisor == 0) {
      throw new TemplateException("divisibleby(0)");
    }
    return value % divisor == 0;
  }

  private static boolean same(Object a, Object b) {
    boolean plain = a instanceof Boolean || a instanceof Long || a instanceof String;
    return a == b || plain && a.equals(b);
  }

  private static boolean isLower(String s) {
    return s.equals(s.toLowerCase(Locale.ROOT)) && !s.equals(s.toUpperCase(Locale.ROOT));
  }

  private static boolean isUpper(String s) {
    return s.equals(s.toUpperCase(Locale.ROOT)) && !s.equals(s.toLowerCase(Locale.ROOT));
  }
}
