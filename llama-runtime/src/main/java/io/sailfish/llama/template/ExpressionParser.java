package io.sailfish.llama.template;

import io.sailfish.llama.template.Expression.ArgumentList;
import io.sailfish.llama.template.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** Expressions with Jinja's precedence: if-else, or, and, not, comparison, + -, ~, * / // %, **. */
final class ExpressionParser {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
  private static final Set<String> NO_TEST_ARGUMENT = Set.of("else", "or", "and", "is", "if", "in");

  private final Tokens tokens;

  ExpressionParser(Tokens tokens) {
    this.tokens = tokens;
  }

  Expression parse() {
    tokens.enter();
    Expression value = or();
    while (tokens.skipName("if")) {
      Expression condition = or();
      Expression otherwise = tokens.skipName("else") ? parse() : null;
      value = new Expression.Conditional(condition, value, otherwise);
    }
    tokens.leave();
    return value;
  }

  /** {@code a} or, without parentheses, the tuple {@code a, b}. */
  Expression parseTuple(boolean conditional) {
    Supplier<Expression> element = conditional ? this::parse : this::or;
    Expression first = element.get();
    if (!tokens.current().isOperator(",")) {
      return first;
    }
    List<Expression> items = new ArrayList<>(List.of(first));
    while (tokens.skipOperator(",") && !atTupleEnd()) {
      items.add(element.get());
    }
    return new Expression.ListOf(items, true);
  }

  private boolean atTupleEnd() {
    return tokens.at(Kind.OUTPUT_END)
        || tokens.at(Kind.BLOCK_END)
        || tokens.current().isOperator(")")
        || tokens.current().isName("if");
  }

  Expression or() {
    Expression left = and();
    while (tokens.skipName("or")) {
      left = new Expression.Logical(false, left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (tokens.skipName("and")) {
      left = new Expression.Logical(true, left, not());
    }
    return left;
  }

  private Expression not() {
    if (!tokens.current().isName("not")) {
      return comparison();
    }
    tokens.enter();
    tokens.next();
    Expression value = new Expression.Not(not());
    tokens.leave();
    return value;
  }

  private Expression comparison() {
    int line = tokens.current().line();
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    for (String operator = comparator(); operator != null; operator = comparator()) {
      operators.add(operator);
      others.add(sum());
    }
    return operators.isEmpty() ? first : new Expression.Comparison(first, operators, others, line);
  }

  private String comparator() {
    Token token = tokens.current();
    if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
      return tokens.next().text();
    }
    if (tokens.atNames("not", "in")) {
      tokens.next();
      tokens.next();
      return "not in";
    }
    return tokens.skipName("in") ? "in" : null;
  }

  private Expression sum() {
    return leftToRight(Set.of("+", "-"), this::concat);
  }

  private Expression concat() {
    int line = tokens.current().line();
    Expression first = product();
    if (!tokens.current().isOperator("~")) {
      return first;
    }
    List<Expression> parts = new ArrayList<>(List.of(first));
    while (tokens.skipOperator("~")) {
      parts.add(product());
    }
    return new Expression.Concat(parts, line);
  }

  private Expression product() {
    return leftToRight(Set.of("*", "/", "//", "%"), this::power);
  }

  private Expression power() {
    return leftToRight(Set.of("**"), () -> unary(true));
  }

  private Expression leftToRight(Set<String> operators, Supplier<Expression> operand) {
    Expression left = operand.get();
    while (tokens.at(Kind.OPERATOR) && operators.contains(tokens.current().text())) {
      Token operator = tokens.next();
      left = new Expression.Binary(operator.text(), left, operand.get(), operator.line());
    }
    return left;
  }

  /** In Jinja a sign binds looser than attributes and calls, tighter than filters. */
  private Expression unary(boolean withFilters) {
    tokens.enter();
    Expression value;
    if (tokens.skipOperator("-")) {
      value = new Expression.Negate(unary(false));
    } else if (tokens.skipOperator("+")) {
      value = unary(false);
    } else {
      value = postfix(primary());
    }
    tokens.leave();
    return withFilters ? filtersAndTests(value) : value;
  }

  private Expression primary() {
    Token token = tokens.current();
    switch (token.kind()) {
      case NAME -> {
        return name(tokens.next().text());
      }
      case STRING -> {
        StringBuilder text = new StringBuilder();
        while (tokens.at(Kind.STRING)) {
          text.append(tokens.next().text());
        }
        return new Expression.Literal(text.toString());
      }
      case INTEGER -> {
        return new Expression.Literal(integer(tokens.next().text()));
      }
      case FLOAT -> {
        return new Expression.Literal(Double.valueOf(tokens.next().text()));
      }
      default -> {
        return bracketed();
      }
    }
  }

  private static Expression name(String name) {
    return switch (name) {
      case "true", "True" -> new Expression.Literal(true);
      case "false", "False" -> new Expression.Literal(false);
      case "none", "None" -> new Expression.Literal(null);
      default -> new Expression.Name(name);
    };
  }

  private static Long integer(String digits) {
    try {
      return Long.valueOf(digits);
    } catch (NumberFormatException e) {
      throw new TemplateException("the number " + digits + " does not fit 64 bits");
    }
  }

  private Expression bracketed() {
    if (tokens.skipOperator("(")) {
      if (tokens.skipOperator(")")) {
        return new Expression.ListOf(List.of(), true);
      }
      Expression inside = parseTuple(true);
      tokens.expectOperator(")");
      return inside;
    }
    if (tokens.skipOperator("[")) {
      List<Expression> items = new ArrayList<>();
      while (!tokens.skipOperator("]")) {
        items.add(parse());
        if (!tokens.current().isOperator("]")) {
          tokens.expectOperator(",");
        }
      }
      return new Expression.ListOf(items, false);
    }
    if (tokens.skipOperator("{")) {
      return dict();
    }
    throw tokens.unexpected("an expression");
  }

  private Expression dict() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!tokens.skipOperator("}")) {
      keys.add(parse());
      tokens.expectOperator(":");
      values.add(parse());
      if (!tokens.current().isOperator("}")) {
        tokens.expectOperator(",");
      }
    }
    return new Expression.DictOf(keys, values);
  }

  private Expression postfix(Expression value) {
    Expression result = value;
    while (true) {
      int line = tokens.current().line();
      if (tokens.skipOperator(".")) {
        result =
            tokens.at(Kind.INTEGER)
                ? new Expression.Item(
                    result, new Expression.Literal(integer(tokens.next().text())), line)
                : new Expression.Attribute(result, tokens.expect(Kind.NAME).text(), line);
      } else if (tokens.skipOperator("[")) {
        result = subscript(result, line);
      } else if (tokens.current().isOperator("(")) {
        result = new Expression.Call(result, arguments(), line);
      } else {
        return result;
      }
    }
  }

  private Expression subscript(Expression owner, int line) {
    Expression start = tokens.current().isOperator(":") ? null : parse();
    if (tokens.skipOperator("]")) {
      return new Expression.Item(owner, start, line);
    }
    tokens.expectOperator(":");
    Expression stop = atSliceEnd() ? null : parse();
    Expression step = tokens.skipOperator(":") && !atSliceEnd() ? parse() : null;
    tokens.expectOperator("]");
    return new Expression.Slice(owner, start, stop, step, line);
  }

  private boolean atSliceEnd() {
    return tokens.current().isOperator(":") || tokens.current().isOperator("]");
  }

  private Expression filtersAndTests(Expression value) {
    Expression result = value;
    while (true) {
      int line = tokens.current().line();
      if (tokens.current().isOperator("|")) {
        result = filters(result);
      } else if (tokens.skipName("is")) {
        result = test(result, line);
      } else if (tokens.current().isOperator("(")) {
        result = new Expression.Call(result, arguments(), line);
      } else {
        return result;
      }
    }
  }

  /** {@code value|f|g(x)}, starting at the bar. */
  Expression filters(Expression value) {
    Expression result = value;
    while (tokens.current().isOperator("|")) {
      int line = tokens.next().line();
      result = filter(result, line);
    }
    return result;
  }

  Expression filter(Expression value, int line) {
    String name = tokens.expect(Kind.NAME).text();
    ArgumentList arguments = tokens.current().isOperator("(") ? arguments() : ArgumentList.NONE;
    return new Expression.Filter(value, name, Filters.find(name), arguments, line);
  }

  private Expression test(Expression value, int line) {
    boolean negated = tokens.skipName("not");
    String name = tokens.expect(Kind.NAME).text();
    ArgumentList arguments = ArgumentList.NONE;
    if (tokens.current().isOperator("(")) {
      arguments = arguments();
    } else if (startsTestArgument()) {
      arguments = new ArgumentList(List.of(postfix(primary())), Map.of(), null);
    }
    return new Expression.Test(value, name, Tests.find(name), arguments, negated, line);
  }

  private boolean startsTestArgument() {
    Token token = tokens.current();
    return switch (token.kind()) {
      case STRING, INTEGER, FLOAT -> true;
      case NAME -> !NO_TEST_ARGUMENT.contains(token.text()) && !token.text().equals("not");
      default -> token.isOperator("[") || token.isOperator("{");
    };
  }

  ArgumentList arguments() {
    tokens.expectOperator("(");
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    Expression spread = null;
    while (!tokens.skipOperator(")")) {
      if (tokens.skipOperator("*")) {
        spread = parse();
      } else {
        Expression argument = parse();
        if (argument instanceof Expression.Name name && tokens.skipOperator("=")) {
          named.put(name.name(), parse());
        } else if (!named.isEmpty() || spread != null) {
          throw new TemplateException("an argument by position after one by name");
        } else {
          positional.add(argument);
        }
      }
      if (!tokens.current().isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new ArgumentList(positional, named, spread);
  }
}
