package io.sailfish.llama.template;

import io.sailfish.llama.template.Token.Kind;
import java.util.List;

/** Reading position in a template's tokens, with limits on how deep it nests. */
final class Tokens {
  private static final int MAX_DEPTH = 200;

  private final List<Token> tokens;
  private int position;
  private int depth;

  Tokens(List<Token> tokens) {
    this.tokens = tokens;
  }

  Token current() {
    return tokens.get(position);
  }

  Token next() {
    Token token = current();
    if (token.kind() != Kind.END) {
      position++;
    }
    return token;
  }

  boolean at(Kind kind) {
    return current().kind() == kind;
  }

  boolean skipOperator(String operator) {
    return skipIf(current().isOperator(operator));
  }

  boolean skipName(String name) {
    return skipIf(current().isName(name));
  }

  private boolean skipIf(boolean matches) {
    if (matches) {
      position++;
    }
    return matches;
  }

  /** Whether {@code a b} come next, both names. */
  boolean atNames(String a, String b) {
    return current().isName(a)
        && position + 1 < tokens.size()
        && tokens.get(position + 1).isName(b);
  }

  Token expect(Kind kind) {
    if (!at(kind)) {
      throw unexpected("a " + kind.name().toLowerCase().replace('_', ' '));
    }
    return next();
  }

  void expectOperator(String operator) {
    if (!skipOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectName(String name) {
    if (!skipName(name)) {
      throw unexpected("'" + name + "'");
    }
  }

  TemplateException unexpected(String wanted) {
    return new TemplateException("expected " + wanted + ", found " + current().describe());
  }

  void enter() {
    if (++depth > MAX_DEPTH) {
      throw new TemplateException("nested more than " + MAX_DEPTH + " deep");
    }
  }

  void leave() {
    depth--;
  }
}
