package io.sailfish.spark.catalyst;

import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.RuntimeReplaceable;

/** Values of constant expressions before the optimizer has folded them. */
final class Constants {
  private Constants() {}

  static boolean isNull(Expression e) {
    return e instanceof Literal literal && literal.value() == null;
  }

  static boolean isConstant(Expression e) {
    return e.resolved() && e.foldable();
  }

  /** In Catalyst's own form (UTF8String, ArrayData, InternalRow); {@code e} is a constant. */
  static Object value(Expression e) {
    Expression plain =
        (Expression)
            e.transformUp(
                ScalaInterop.<Expression>rewrite(
                    x -> x instanceof RuntimeReplaceable r ? r.replacement() : null));
    return plain.eval(null);
  }

  /** Null if {@code e} is no constant. */
  static Object valueOrNull(Expression e) {
    return isConstant(e) ? value(e) : null;
  }
}
