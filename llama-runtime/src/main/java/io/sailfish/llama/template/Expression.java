package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A node that has a value. */
sealed interface Expression {
  Object evaluate(Scope scope);

  /** A constant; string literals that stand side by side are joined by the parser. */
  record Literal(Object value) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return value;
    }
  }

  record Name(String name) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return scope.lookup(name);
    }
  }

  record ListOf(List<Expression> items, boolean tuple) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      List<Object> values = new ArrayList<>(items.size());
      items.forEach(item -> values.add(item.evaluate(scope)));
      return tuple ? new Tuple(values) : values;
    }
  }

  record DictOf(List<Expression> keys, List<Expression> values) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Map<Object, Object> dict = new LinkedHashMap<>();
      for (int i = 0; i < keys.size(); i++) {
        dict.put(keys.get(i).evaluate(scope), values.get(i).evaluate(scope));
      }
      return dict;
    }
  }

  record Attribute(Expression owner, String name, int line) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = owner.evaluate(scope);
      scope.rendering().step(line);
      return Values.attribute(value, name);
    }
  }

  record Item(Expression owner, Expression key, int line) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = owner.evaluate(scope);
      Object at = key.evaluate(scope);
      scope.rendering().step(line);
      return Values.item(value, at);
    }
  }

  /** Parts are null where they are left out. */
  record Slice(Expression owner, Expression start, Expression stop, Expression step, int line)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = owner.evaluate(scope);
      scope.rendering().step(line);
      if (value instanceof String || value instanceof List) {
        scope.rendering().reserve(Values.length(value));
      }
      return Values.slice(value, part(start, scope), part(stop, scope), part(step, scope));
    }

    private static Object part(Expression part, Scope scope) {
      return part == null ? null : part.evaluate(scope);
    }
  }

  /** Arguments as written: by position, by name, {@code *list} (null when absent). */
  record ArgumentList(
      List<Expression> positional, Map<String, Expression> named, Expression spread) {
    static final ArgumentList NONE = new ArgumentList(List.of(), Map.of(), null);

    Arguments evaluate(String function, Scope scope) {
      List<Object> values = new ArrayList<>(positional.size());
      positional.forEach(argument -> values.add(argument.evaluate(scope)));
      if (spread != null) {
        values.addAll(Values.iterate(spread.evaluate(scope)));
      }
      Map<String, Object> byName = new HashMap<>();
      named.forEach((name, argument) -> byName.put(name, argument.evaluate(scope)));
      return new Arguments(function, values, byName);
    }
  }

  record Call(Expression function, ArgumentList arguments, int line) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return call(scope, Map.of());
    }

    /** {@code extra} are further arguments by name. */
    Object call(Scope scope, Map<String, Object> extra) {
      Object callee = Values.defined(function.evaluate(scope));
      if (!(callee instanceof Callable callable)) {
        throw new TemplateException(
            "a value of type " + Values.typeName(callee) + " is no function");
      }
      Arguments given = arguments.evaluate(label(), scope);
      given.named().putAll(extra);
      scope.rendering().step(line);
      return callable.call(scope.rendering(), given);
    }

    private String label() {
      if (function instanceof Name name) {
        return name.name();
      }
      return function instanceof Attribute attribute ? attribute.name() : "call";
    }
  }

  record Filter(
      Expression input, String name, Filters.Filter filter, ArgumentList arguments, int line)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = input.evaluate(scope);
      Arguments given = arguments.evaluate(name, scope);
      scope.rendering().step(line);
      return filter.apply(value, given, scope.rendering());
    }
  }

  record Test(
      Expression input,
      String name,
      Tests.Test test,
      ArgumentList arguments,
      boolean negated,
      int line)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = input.evaluate(scope);
      Arguments given = arguments.evaluate(name, scope);
      scope.rendering().step(line);
      return test.holds(value, given) != negated;
    }
  }

  record Binary(String operator, Expression left, Expression right, int line)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object a = left.evaluate(scope);
      Object b = right.evaluate(scope);
      scope.rendering().step(line);
      return Arithmetic.apply(operator, a, b, scope.rendering());
    }
  }

  /** {@code a ~ b ~ c}. */
  record Concat(List<Expression> parts, int line) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      StringBuilder text = new StringBuilder();
      for (Expression part : parts) {
        String piece = PythonText.str(part.evaluate(scope));
        scope.rendering().step(line);
        scope.rendering().reserve((long) text.length() + piece.length());
        text.append(piece);
      }
      return text.toString();
    }
  }

  /** {@code a < b <= c}: each neighbour pair has to hold. */
  record Comparison(Expression first, List<String> operators, List<Expression> others, int line)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object left = first.evaluate(scope);
      for (int i = 0; i < operators.size(); i++) {
        Object right = others.get(i).evaluate(scope);
        scope.rendering().step(line);
        if (!holds(operators.get(i), left, right)) {
          return false;
        }
        left = right;
      }
      return true;
    }

    private static boolean holds(String operator, Object a, Object b) {
      return switch (operator) {
        case "==" -> Values.equal(a, b);
        case "!=" -> !Values.equal(a, b);
        case "<" -> Values.compare(a, b) < 0;
        case "<=" -> Values.compare(a, b) <= 0;
        case ">" -> Values.compare(a, b) > 0;
        case ">=" -> Values.compare(a, b) >= 0;
        case "in" -> Values.contains(b, a);
        default -> !Values.contains(b, a);
      };
    }
  }

  record Negate(Expression value) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Arithmetic.negate(value.evaluate(scope));
    }
  }

  record Not(Expression value) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return !Values.truth(value.evaluate(scope));
    }
  }

  /** {@code and}, {@code or}: the deciding operand itself, as in Python. */
  record Logical(boolean and, Expression left, Expression right) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = left.evaluate(scope);
      return Values.truth(value) == and ? right.evaluate(scope) : value;
    }
  }

  /** {@code a if condition else b}; {@code otherwise} null when left out. */
  record Conditional(Expression condition, Expression then, Expression otherwise)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      if (Values.truth(condition.evaluate(scope))) {
        return then.evaluate(scope);
      }
      return otherwise == null
          ? new Undefined("the inline if-expression has no else and its condition is false")
          : otherwise.evaluate(scope);
    }
  }
}
