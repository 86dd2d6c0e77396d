package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What Python does with values: truth, equality, order, length, iteration, attributes, items. */
final class Values {
  private Values() {}

  static String typeName(Object value) {
    if (value == null) {
      return "None";
    }
    if (value instanceof String) {
      return "str";
    }
    if (value instanceof Boolean) {
      return "bool";
    }
    if (value instanceof Long) {
      return "int";
    }
    if (value instanceof Double) {
      return "float";
    }
    if (value instanceof Map) {
      return "dict";
    }
    if (value instanceof Tuple) {
      return "tuple";
    }
    return value instanceof List ? "list" : value.getClass().getSimpleName().toLowerCase();
  }

  static boolean truth(Object value) {
    if (value instanceof Boolean b) {
      return b;
    }
    if (value instanceof String s) {
      return !s.isEmpty();
    }
    if (value instanceof Long l) {
      return l != 0;
    }
    if (value instanceof Double d) {
      return d != 0;
    }
    if (value instanceof List<?> list) {
      return !list.isEmpty();
    }
    if (value instanceof Map<?, ?> map) {
      return !map.isEmpty();
    }
    return value != null && !(value instanceof Undefined);
  }

  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double || value instanceof Boolean;
  }

  static double asDouble(Object number) {
    return number instanceof Double d ? d : asLong(number);
  }

  static long asLong(Object number) {
    return number instanceof Boolean b ? (b ? 1 : 0) : (Long) number;
  }

  static boolean equal(Object a, Object b) {
    if (isNumber(a) && isNumber(b)) {
      return a instanceof Double || b instanceof Double
          ? asDouble(a) == asDouble(b)
          : asLong(a) == asLong(b);
    }
    if (a instanceof Undefined) {
      return b instanceof Undefined;
    }
    if (a instanceof List<?> x && b instanceof List<?> y) {
      boolean equal = x instanceof Tuple == y instanceof Tuple && x.size() == y.size();
      for (int i = 0; equal && i < x.size(); i++) {
        equal = equal(x.get(i), y.get(i));
      }
      return equal;
    }
    return a == null ? b == null : a.equals(b);
  }

  static int compare(Object a, Object b) {
    if (isNumber(a) && isNumber(b)) {
      return a instanceof Double || b instanceof Double
          ? Double.compare(asDouble(a), asDouble(b))
          : Long.compare(asLong(a), asLong(b));
    }
    if (a instanceof String x && b instanceof String y) {
      return java.util.Arrays.compare(x.codePoints().toArray(), y.codePoints().toArray());
    }
    if (a instanceof List<?> x && b instanceof List<?> y) {
      for (int i = 0; i < Math.min(x.size(), y.size()); i++) {
        if (!equal(x.get(i), y.get(i))) {
          return compare(x.get(i), y.get(i));
        }
      }
      return Integer.compare(x.size(), y.size());
    }
    defined(a);
    defined(b);
    throw new TemplateException("cannot order " + typeName(a) + " and " + typeName(b));
  }

  static <T> T defined(T value) {
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    return value;
  }

  static long length(Object value) {
    if (value instanceof String s) {
      return s.codePointCount(0, s.length());
    }
    if (value instanceof List<?> list) {
      return list.size();
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    throw new TemplateException("a value of type " + typeName(value) + " has no length");
  }

  /** The items that a loop over {@code value} sees. */
  @SuppressWarnings("unchecked")
  static List<Object> iterate(Object value) {
    if (value instanceof List) {
      return (List<Object>) value;
    }
    if (value instanceof Map<?, ?> map) {
      return new ArrayList<>(map.keySet());
    }
    if (value instanceof String s) {
      List<Object> characters = new ArrayList<>(s.length());
      s.codePoints().forEach(c -> characters.add(Character.toString(c)));
      return characters;
    }
    if (value instanceof Undefined) {
      return List.of();
    }
    throw new TemplateException("a value of type " + typeName(value) + " is not iterable");
  }

  static boolean contains(Object container, Object item) {
    if (container instanceof String s) {
      if (item instanceof String part) {
        return s.contains(part);
      }
      throw new TemplateException("'in <string>' needs a string, got " + typeName(defined(item)));
    }
    if (container instanceof Map<?, ?> map) {
      return map.containsKey(item);
    }
    for (Object candidate : iterate(container)) {
      if (equal(candidate, item)) {
        return true;
      }
    }
    return false;
  }

  /** {@code owner.name}: methods first, then keys, as Python's attribute look-up in Jinja. */
  static Object attribute(Object owner, String name) {
    Object method = method(defined(owner), name);
    if (method != null) {
      return method;
    }
    if (owner instanceof HasAttributes object) {
      return object.attribute(name);
    }
    if (owner instanceof Map<?, ?> map && map.containsKey(name)) {
      return map.get(name);
    }
    return Undefined.attribute(owner, name);
  }

  /** {@code owner[key]}: items first, then attributes. A missing one is undefined, no error. */
  static Object item(Object owner, Object key) {
    defined(owner);
    if (owner instanceof Map<?, ?> map && map.containsKey(key)) {
      return map.get(key);
    }
    if (key instanceof Long || key instanceof Boolean) {
      long index = asLong(key);
      if (owner instanceof List<?> list) {
        long at = index < 0 ? index + list.size() : index;
        return at >= 0 && at < list.size() ? list.get((int) at) : Undefined.attribute(owner, index);
      }
      if (owner instanceof String s) {
        long length = length(s);
        long at = index < 0 ? index + length : index;
        return at >= 0 && at < length
            ? Character.toString(s.codePointAt(s.offsetByCodePoints(0, (int) at)))
            : Undefined.attribute(owner, index);
      }
    }
    return key instanceof String name
        ? attribute(owner, name)
        : Undefined.attribute(owner, defined(key));
  }

  /** {@code owner[start:stop:step]}, parts null when left out. */
  static Object slice(Object owner, Object start, Object stop, Object step) {
    defined(owner);
    if (!(owner instanceof String) && !(owner instanceof List)) {
      return Undefined.attribute(owner, "slice");
    }
    List<Object> items = iterate(owner);
    long by = step == null ? 1 : integer(step);
    if (by == 0) {
      throw new TemplateException("a slice's step is zero");
    }
    long size = items.size();
    long from = bound(start, size, by, by > 0 ? 0 : size - 1);
    long to = bound(stop, size, by, by > 0 ? size : -1);
    List<Object> taken = new ArrayList<>();
    for (long i = from; by > 0 ? i < to : i > to; i += by) {
      taken.add(items.get((int) i));
      if (Math.abs(by) > size) {
        break;
      }
    }
    if (owner instanceof String) {
      StringBuilder text = new StringBuilder();
      taken.forEach(text::append);
      return text.toString();
    }
    return owner instanceof Tuple ? new Tuple(taken) : taken;
  }

  private static long bound(Object given, long size, long step, long fallback) {
    if (given == null) {
      return fallback;
    }
    long at = integer(given);
    at = at < 0 ? Math.max(at + size, step > 0 ? 0 : -1) : at;
    return Math.min(at, step > 0 ? size : size - 1);
  }

  static long integer(Object value) {
    if (value instanceof Long || value instanceof Boolean) {
      return asLong(value);
    }
    throw new TemplateException("needs an integer, got " + typeName(defined(value)));
  }

  static String string(Object value) {
    if (value instanceof String s) {
      return s;
    }
    throw new TemplateException("needs a string, got " + typeName(defined(value)));
  }

  private static Callable method(Object owner, String name) {
    if (owner instanceof String s) {
      return StringMethods.find(s, name);
    }
    return owner instanceof Map || owner instanceof List
        ? CollectionMethods.find(owner, name)
        : null;
  }
}
