package io.sailfish.spark.catalyst;

import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.logical.Aggregate;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;

/**
 * Keeps {@code HAVING ai_gen(key) ...} above its aggregate. Spark pushes a deterministic filter on
 * grouping keys below, where the model would run once a row instead of once a group.
 */
final class HavingAboveAggregate extends Rule<LogicalPlan> {
  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    return plan.resolveOperatorsUp(
        ScalaInterop.rewrite(
            node ->
                node instanceof Filter filter
                        && filter.child() instanceof Aggregate
                        && AiCalls.in(filter.condition())
                        && filter.condition().deterministic()
                    ? new Filter(pinned(filter.condition()), filter.child())
                    : null));
  }

  private static Expression pinned(Expression condition) {
    return (Expression)
        condition.transformUp(
            ScalaInterop.<Expression>rewrite(e -> e instanceof AiCall call ? call.pinned() : null));
  }
}
