package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.List;

/** Python's operators on numbers, strings and lists. Integers are 64 bit; past that is an error. */
final class Arithmetic {
  private Arithmetic() {}

  static Object apply(String operator, Object a, Object b, Rendering rendering) {
    Values.defined(a);
    Values.defined(b);
    if (Values.isNumber(a) && Values.isNumber(b)) {
      return numbers(operator, a, b);
    }
    if (operator.equals("+") && a instanceof String x && b instanceof String y) {
      rendering.reserve((long) x.length() + y.length());
      return x + y;
    }
    if (operator.equals("+") && a instanceof List<?> x && b instanceof List<?> y) {
      return concat(x, y, rendering);
    }
    if (operator.equals("*") && b instanceof Long times) {
      return repeat(a, times, rendering);
    }
    if (operator.equals("*") && a instanceof Long times) {
      return repeat(b, times, rendering);
    }
    throw new TemplateException(
        "'%s' does not work on %s and %s"
            .formatted(operator, Values.typeName(a), Values.typeName(b)));
  }

  static Object negate(Object value) {
    return apply("-", 0L, value, null);
  }

  private static Object concat(List<?> x, List<?> y, Rendering rendering) {
    if (x instanceof Tuple != y instanceof Tuple) {
      throw new TemplateException("'+' does not work on a list and a tuple");
    }
    rendering.reserve((long) x.size() + y.size());
    List<Object> sum = new ArrayList<>(x);
    sum.addAll(y);
    return x instanceof Tuple ? new Tuple(sum) : sum;
  }

  private static Object repeat(Object value, long times, Rendering rendering) {
    int count = (int) Math.max(0, Math.min(times, Integer.MAX_VALUE));
    if (value instanceof String s) {
      rendering.reserve((long) s.length() * count);
      return s.repeat(count);
    }
    if (value instanceof List<?> list && !(value instanceof Tuple)) {
      rendering.reserve((long) list.size() * count);
      List<Object> repeated = new ArrayList<>();
      for (int i = 0; i < count && !list.isEmpty(); i++) {
        repeated.addAll(list);
      }
      return repeated;
    }
    throw new TemplateException("'*' does not work on " + Values.typeName(value) + " and int");
  }

  private static Object numbers(String operator, Object a, Object b) {
    boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
    if (divides && Values.asDouble(b) == 0) {
      throw new TemplateException("division by zero");
    }
    boolean fractions = a instanceof Double || b instanceof Double || operator.equals("/");
    boolean root = operator.equals("**") && Values.asDouble(b) < 0;
    return fractions || root
        ? (Object) doubles(operator, Values.asDouble(a), Values.asDouble(b))
        : (Object) longs(operator, Values.asLong(a), Values.asLong(b));
  }

  private static double doubles(String operator, double a, double b) {
    return switch (operator) {
      case "+" -> a + b;
      case "-" -> a - b;
      case "*" -> a * b;
      case "/" -> a / b;
      case "//" -> Math.floor(a / b);
      case "%" -> a - b * Math.floor(a / b);
      default -> Math.pow(a, b);
    };
  }

  private static long longs(String operator, long a, long b) {
    try {
      return switch (operator) {
        case "+" -> Math.addExact(a, b);
        case "-" -> Math.subtractExact(a, b);
        case "*" -> Math.multiplyExact(a, b);
        case "//" -> Math.floorDiv(a, b);
        case "%" -> Math.floorMod(a, b);
        default -> java.math.BigInteger.valueOf(a).pow((int) Math.min(b, 64)).longValueExact();
      };
    } catch (ArithmeticException e) {
      throw new TemplateException("%d %s %d does not fit 64 bits".formatted(a, operator, b));
    }
  }
}
