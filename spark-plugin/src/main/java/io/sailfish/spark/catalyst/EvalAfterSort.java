package io.sailfish.spark.catalyst;

import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.SortOrder;
import org.apache.spark.sql.catalyst.plans.logical.GlobalLimit;
import org.apache.spark.sql.catalyst.plans.logical.LocalLimit;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.Sort;
import org.apache.spark.sql.catalyst.rules.Rule;

/**
 * For {@code SELECT ai_gen(x) ... ORDER BY id LIMIT n}: sorts and limits first, so that the model
 * sees n rows. A plain ORDER BY is left alone: after it the rows lie in the few partitions that
 * adaptive execution makes of a small sorted result.
 */
final class EvalAfterSort extends Rule<LogicalPlan> {
  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    return (LogicalPlan)
        plan.transform(ScalaInterop.<LogicalPlan>rewrite(EvalAfterSort::sortFirst));
  }

  /** Null if {@code plan} is no limit over a sort over calls that the sort does not need. */
  private static LogicalPlan sortFirst(LogicalPlan plan) {
    if (!(plan instanceof GlobalLimit global && global.child() instanceof LocalLimit local)) {
      return null;
    }
    // A project between limit and sort drops a sort column that is not selected.
    Project dropping =
        local.child() instanceof Project project && project.child() instanceof Sort
            ? project
            : null;
    LogicalPlan below = dropping == null ? local.child() : dropping.child();
    if (!(below instanceof Sort sort && sort.global() && sort.child() instanceof Project calls)) {
      return null;
    }
    if (!callsAreFreeOf(sort, calls)) {
      return null;
    }
    UnaryOperator<LogicalPlan> limit = child -> withChild(global, withChild(local, child));
    LogicalPlan sorted =
        calls.copy(
            calls.projectList(),
            limit.apply(sort.copy(sort.order(), sort.global(), calls.child(), sort.hint())));
    return dropping == null ? sorted : withChild(dropping, sorted);
  }

  private static boolean callsAreFreeOf(Sort sort, Project calls) {
    boolean any = ScalaInterop.<Expression>list(calls.projectList()).stream().anyMatch(AiCalls::in);
    return any
        && ScalaInterop.<SortOrder>list(sort.order()).stream()
            .allMatch(order -> order.references().subsetOf(calls.child().outputSet()));
  }

  private static LogicalPlan withChild(LogicalPlan parent, LogicalPlan child) {
    return (LogicalPlan) parent.withNewChildren(ScalaInterop.seq(List.of(child)));
  }
}
