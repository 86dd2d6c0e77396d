package io.sailfish.spark.catalyst;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.LimitExec;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.exchange.Exchange;

/**
 * Lets tasks start with a full window of rows where no limit above the model in its stage may stop
 * them early, so that the engine's batch is full from the first row on.
 */
final class FullWindow extends Rule<SparkPlan> {
  @Override
  public SparkPlan apply(SparkPlan plan) {
    return below(plan, false);
  }

  private static SparkPlan below(SparkPlan plan, boolean limited) {
    boolean limitedBelow = !(plan instanceof Exchange) && (limited || plan instanceof LimitExec);
    List<SparkPlan> children = new ArrayList<>();
    boolean changed = false;
    for (SparkPlan child : ScalaInterop.<SparkPlan>list(plan.children())) {
      SparkPlan now = below(child, limitedBelow);
      changed |= now != child;
      children.add(now);
    }
    SparkPlan same = changed ? (SparkPlan) plan.withNewChildren(ScalaInterop.seq(children)) : plan;
    return same instanceof AiEvalExec model && !limited ? model.withFullWindow() : same;
  }
}
