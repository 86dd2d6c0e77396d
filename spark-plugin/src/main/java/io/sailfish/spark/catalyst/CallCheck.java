package io.sailfish.spark.catalyst;

import io.sailfish.spark.conf.SailfishConf;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.classic.SparkSession;
import scala.runtime.BoxedUnit;

/**
 * Checks every call's constant arguments, and the settings, when a query has been analysed. A rule
 * that changes nothing and not a check rule, as Spark wraps what those throw and loses its
 * SQLSTATE.
 */
final class CallCheck extends Rule<LogicalPlan> {
  private final SparkSession session;

  CallCheck(SparkSession session) {
    this.session = session;
  }

  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    plan.foreach(
        node -> {
          for (Expression e : ScalaInterop.<Expression>list(node.expressions())) {
            if (AiCalls.in(e)) {
              checkCalls(e);
            }
          }
          return BoxedUnit.UNIT;
        });
    return plan;
  }

  private void checkCalls(Expression root) {
    SailfishConf conf = SessionConf.of(session.sessionState().conf());
    try {
      conf.requireStartupAsIn(SessionConf.of(session.sparkContext().conf()));
    } catch (IllegalArgumentException e) {
      throw SessionConf.invalid(e);
    }
    root.foreach(
        e -> {
          if (e instanceof AiCall call && call.resolved()) {
            BoundCall.of(call, conf.models());
          }
          return BoxedUnit.UNIT;
        });
  }
}
