package io.sailfish.llama.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A node that prints or assigns. */
sealed interface Statement {
  /** How a statement ended. */
  enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  Flow execute(Scope scope);

  static Flow executeAll(List<Statement> body, Scope scope) {
    for (Statement statement : body) {
      Flow flow = statement.execute(scope);
      if (flow != Flow.NEXT) {
        return flow;
      }
    }
    return Flow.NEXT;
  }

  record Text(String text) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().spend(1);
      scope.rendering().print(text);
      return Flow.NEXT;
    }
  }

  record Output(Expression expression, int line) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().step(line);
      scope.rendering().print(PythonText.str(expression.evaluate(scope)));
      return Flow.NEXT;
    }
  }

  record If(Expression condition, List<Statement> then, List<Statement> otherwise, int line)
      implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().step(line);
      return executeAll(Values.truth(condition.evaluate(scope)) ? then : otherwise, scope);
    }
  }

  /** What is assigned to: names (one, or as many as the value has items), or a namespace's. */
  record Target(List<String> names, boolean unpack, String attribute) {
    void assign(Scope scope, Object value) {
      if (attribute != null) {
        if (!(Values.defined(scope.lookup(names.get(0))) instanceof Namespace namespace)) {
          throw new TemplateException(
              "'" + names.get(0) + "' is no namespace, so its attributes cannot be set");
        }
        namespace.set(attribute, value);
        return;
      }
      if (!unpack) {
        scope.set(names.get(0), value);
        return;
      }
      List<Object> values = Values.iterate(value);
      if (values.size() != names.size()) {
        throw new TemplateException(
            "cannot unpack " + values.size() + " values into " + names.size() + " names");
      }
      for (int i = 0; i < names.size(); i++) {
        scope.set(names.get(i), values.get(i));
      }
    }
  }

  /** {@code condition} null when there is none. */
  record For(
      Target target,
      Expression items,
      Expression condition,
      List<Statement> body,
      List<Statement> otherwise,
      int line)
      implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().step(line);
      List<Object> values = selected(scope);
      if (values.isEmpty()) {
        return executeAll(otherwise, scope.inner());
      }
      Loop loop = new Loop(values);
      boolean completed = false;
      for (int i = 0; i < values.size(); i++) {
        scope.rendering().step(line);
        loop.moveTo(i);
        Scope iteration = scope.inner();
        iteration.set("loop", loop);
        target.assign(iteration, values.get(i));
        Flow flow = executeAll(body, iteration);
        completed |= flow == Flow.NEXT;
        if (flow == Flow.BREAK) {
          break;
        }
      }
      // As in Jinja: else also runs when break or continue cut every iteration short.
      return completed ? Flow.NEXT : executeAll(otherwise, scope.inner());
    }

    private List<Object> selected(Scope scope) {
      Object source = items.evaluate(scope);
      List<Object> all = Values.iterate(source);
      if (source instanceof String) {
        scope.rendering().reserve(all.size());
      }
      if (condition == null) {
        return all;
      }
      List<Object> chosen = new ArrayList<>();
      for (Object value : all) {
        scope.rendering().step(line);
        Scope candidate = scope.inner();
        target.assign(candidate, value);
        if (Values.truth(condition.evaluate(candidate))) {
          chosen.add(value);
        }
      }
      return chosen;
    }
  }

  record Set(Target target, Expression value, int line) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().step(line);
      target.assign(scope, value.evaluate(scope));
      return Flow.NEXT;
    }
  }

  /** {@code {% set x %}...{% endset %}}; {@code value} reads what was printed as "captured". */
  record SetBlock(Target target, Expression value, List<Statement> body, int line)
      implements Statement {
    @Override
    public Flow execute(Scope scope) {
      target.assign(scope, captured(body, value, scope, line));
      return Flow.NEXT;
    }
  }

  /** {@code {% filter f %}...{% endfilter %}}. */
  record FilterBlock(Expression value, List<Statement> body, int line) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().print(PythonText.str(captured(body, value, scope, line)));
      return Flow.NEXT;
    }
  }

  /** No name of a template can be spelled like this. */
  String CAPTURED = "<captured>";

  private static Object captured(List<Statement> body, Expression value, Scope scope, int line) {
    scope.rendering().step(line);
    Scope inner = scope.inner();
    String printed = scope.rendering().capture(() -> executeAll(body, inner));
    Scope filtered = scope.inner();
    filtered.set(CAPTURED, printed);
    return value.evaluate(filtered);
  }

  /** {@code {% with %}} and {@code {% generation %}}: a scope of its own. */
  record Block(List<Set> assignments, List<Statement> body) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      Scope inner = scope.inner();
      assignments.forEach(set -> set.target().assign(inner, set.value().evaluate(scope)));
      return executeAll(body, inner);
    }
  }

  /** {@code defaults} belong to the last parameters. */
  record Signature(String name, List<String> parameters, List<Expression> defaults) {}

  record Macro(Signature signature, List<Statement> body, int line) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.set(signature.name(), function(signature, body, scope));
      return Flow.NEXT;
    }

    static Callable function(Signature signature, List<Statement> body, Scope outer) {
      return (rendering, arguments) ->
          rendering.callMacro(
              () -> {
                Scope inner = outer.inner();
                bind(signature, arguments, inner);
                return rendering.capture(() -> executeAll(body, inner));
              });
    }

    private static void bind(Signature signature, Arguments arguments, Scope inner) {
      List<String> parameters = signature.parameters();
      if (arguments.named().containsKey("caller")) {
        inner.set("caller", arguments.named().remove("caller"));
      }
      arguments.allow(parameters.toArray(String[]::new));
      int required = parameters.size() - signature.defaults().size();
      for (int i = 0; i < parameters.size(); i++) {
        String name = parameters.get(i);
        boolean given = i < arguments.positional().size() || arguments.named().containsKey(name);
        Object value =
            given
                ? arguments.get(i, name, null)
                : i < required
                    ? new Undefined("parameter '" + name + "' was not provided")
                    : signature.defaults().get(i - required).evaluate(inner);
        inner.set(name, value);
      }
    }
  }

  /** {@code {% call(parameters) macro(arguments) %}...{% endcall %}}. */
  record CallBlock(Signature caller, Expression.Call call, List<Statement> body, int line)
      implements Statement {
    @Override
    public Flow execute(Scope scope) {
      scope.rendering().step(line);
      Callable function = Macro.function(caller, body, scope);
      scope.rendering().print(PythonText.str(call.call(scope, Map.of("caller", function))));
      return Flow.NEXT;
    }
  }

  record Jump(Flow flow) implements Statement {
    @Override
    public Flow execute(Scope scope) {
      return flow;
    }
  }
}
