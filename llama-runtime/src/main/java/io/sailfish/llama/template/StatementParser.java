package io.sailfish.llama.template;

import io.sailfish.llama.template.Statement.Flow;
import io.sailfish.llama.template.Statement.Signature;
import io.sailfish.llama.template.Statement.Target;
import io.sailfish.llama.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Statements: {@code {% ... %}} tags, outputs and the text between them. */
final class StatementParser {
  private final Tokens tokens;
  private final ExpressionParser expressions;
  private int loops;

  private StatementParser(Tokens tokens) {
    this.tokens = tokens;
    this.expressions = new ExpressionParser(tokens);
  }

  /** {@code source} with normalised line ends. */
  static List<Statement> parse(String source) {
    Tokens tokens = new Tokens(Lexer.tokenize(source));
    try {
      return new StatementParser(tokens).body(Set.of());
    } catch (TemplateException e) {
      throw e.at(tokens.current().line(), source);
    }
  }

  /** Statements up to a tag named in {@code ends}, whose name is the current token then. */
  private List<Statement> body(Set<String> ends) {
    List<Statement> body = new ArrayList<>();
    tokens.enter();
    while (!tokens.at(Kind.END)) {
      if (tokens.at(Kind.DATA)) {
        body.add(new Statement.Text(tokens.next().text()));
      } else if (tokens.at(Kind.OUTPUT_BEGIN)) {
        int line = tokens.next().line();
        body.add(new Statement.Output(expressions.parseTuple(true), line));
        tokens.expect(Kind.OUTPUT_END);
      } else {
        tokens.expect(Kind.BLOCK_BEGIN);
        if (tokens.at(Kind.NAME) && ends.contains(tokens.current().text())) {
          tokens.leave();
          return body;
        }
        body.add(statement());
      }
    }
    if (!ends.isEmpty()) {
      throw tokens.unexpected("{% " + String.join(" or ", ends) + " %}");
    }
    tokens.leave();
    return body;
  }

  private Statement statement() {
    Token tag = tokens.current();
    int line = tag.line();
    String name = tokens.expect(Kind.NAME).text();
    return switch (name) {
      case "if" -> ifStatement(line);
      case "for" -> forStatement(line);
      case "set" -> set(line);
      case "macro" -> macro(line);
      case "call" -> call(line);
      case "filter" -> filter(line);
      case "with" -> with(line);
      case "generation" -> {
        endOfTag();
        yield new Statement.Block(List.of(), bodyAndEnd("endgeneration"));
      }
      case "break" -> jump(name, Flow.BREAK);
      case "continue" -> jump(name, Flow.CONTINUE);
      default -> throw new TemplateException("the tag '" + name + "' is not supported");
    };
  }

  private void endOfTag() {
    tokens.expect(Kind.BLOCK_END);
  }

  private List<Statement> bodyAndEnd(String end) {
    List<Statement> body = body(Set.of(end));
    tokens.next();
    endOfTag();
    return body;
  }

  private Statement jump(String name, Flow flow) {
    if (loops == 0) {
      throw new TemplateException("'" + name + "' outside of a loop");
    }
    endOfTag();
    return new Statement.Jump(flow);
  }

  private Statement ifStatement(int line) {
    Expression condition = expressions.parseTuple(true);
    endOfTag();
    List<Statement> then = body(Set.of("elif", "else", "endif"));
    Token next = tokens.next();
    List<Statement> otherwise = List.of();
    if (next.text().equals("elif")) {
      tokens.enter();
      otherwise = List.of(ifStatement(next.line()));
      tokens.leave();
    } else {
      endOfTag();
      if (next.text().equals("else")) {
        otherwise = bodyAndEnd("endif");
      }
    }
    return new Statement.If(condition, then, otherwise, line);
  }

  private Statement forStatement(int line) {
    Target target = target(false);
    tokens.expectName("in");
    Expression items = expressions.parseTuple(false);
    Expression condition = tokens.skipName("if") ? expressions.parse() : null;
    if (tokens.current().isName("recursive")) {
      throw new TemplateException("recursive loops are not supported");
    }
    endOfTag();
    loops++;
    List<Statement> body = body(Set.of("else", "endfor"));
    loops--;
    boolean hasElse = tokens.next().text().equals("else");
    endOfTag();
    List<Statement> otherwise = hasElse ? bodyAndEnd("endfor") : List.of();
    return new Statement.For(target, items, condition, body, otherwise, line);
  }

  private Target target(boolean withAttribute) {
    boolean parenthesis = tokens.skipOperator("(");
    List<String> names = new ArrayList<>(List.of(tokens.expect(Kind.NAME).text()));
    if (withAttribute && tokens.skipOperator(".")) {
      return new Target(names, false, tokens.expect(Kind.NAME).text());
    }
    boolean unpack = false;
    while (tokens.skipOperator(",")) {
      unpack = true;
      names.add(tokens.expect(Kind.NAME).text());
    }
    if (parenthesis) {
      tokens.expectOperator(")");
    }
    return new Target(names, unpack, null);
  }

  private Statement set(int line) {
    Target target = target(true);
    if (tokens.skipOperator("=")) {
      Expression value = expressions.parseTuple(true);
      endOfTag();
      return new Statement.Set(target, value, line);
    }
    Expression value = expressions.filters(new Expression.Name(Statement.CAPTURED));
    endOfTag();
    return new Statement.SetBlock(target, value, bodyAndEnd("endset"), line);
  }

  private Statement filter(int line) {
    Expression captured = new Expression.Name(Statement.CAPTURED);
    Expression value = expressions.filters(expressions.filter(captured, line));
    endOfTag();
    return new Statement.FilterBlock(value, bodyAndEnd("endfilter"), line);
  }

  private Statement with(int line) {
    List<Statement.Set> assignments = new ArrayList<>();
    while (!tokens.at(Kind.BLOCK_END)) {
      if (!assignments.isEmpty()) {
        tokens.expectOperator(",");
      }
      Target target = target(false);
      tokens.expectOperator("=");
      assignments.add(new Statement.Set(target, expressions.parse(), line));
    }
    endOfTag();
    return new Statement.Block(assignments, bodyAndEnd("endwith"));
  }

  private Statement macro(int line) {
    Signature signature = signature(tokens.expect(Kind.NAME).text());
    endOfTag();
    return new Statement.Macro(signature, outsideLoops("endmacro"), line);
  }

  private Statement call(int line) {
    Signature caller =
        tokens.current().isOperator("(")
            ? signature("caller")
            : new Signature("caller", List.of(), List.of());
    if (!(expressions.parse() instanceof Expression.Call call)) {
      throw new TemplateException("a call block needs a call");
    }
    endOfTag();
    return new Statement.CallBlock(caller, call, outsideLoops("endcall"), line);
  }

  /** A macro's body is no part of the loop around it: break and continue cannot leave it. */
  private List<Statement> outsideLoops(String end) {
    int outside = loops;
    loops = 0;
    List<Statement> body = bodyAndEnd(end);
    loops = outside;
    return body;
  }

  private Signature signature(String name) {
    tokens.expectOperator("(");
    List<String> parameters = new ArrayList<>();
    List<Expression> defaults = new ArrayList<>();
    while (!tokens.skipOperator(")")) {
      parameters.add(tokens.expect(Kind.NAME).text());
      if (tokens.skipOperator("=")) {
        defaults.add(expressions.parse());
      } else if (!defaults.isEmpty()) {
        throw new TemplateException("a parameter without default after one with");
      }
      if (!tokens.current().isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new Signature(name, parameters, defaults);
  }
}
