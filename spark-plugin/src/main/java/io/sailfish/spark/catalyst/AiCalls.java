package io.sailfish.spark.catalyst;

import org.apache.spark.sql.catalyst.expressions.Expression;

/** Finds calls in expressions. */
final class AiCalls {
  private AiCalls() {}

  static boolean in(Expression e) {
    return e.exists(x -> x instanceof AiCall);
  }
}
