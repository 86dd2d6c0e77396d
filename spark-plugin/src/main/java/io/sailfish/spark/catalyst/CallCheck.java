package io.sailfish.spark.catalyst;

import io.sailfish.spark.conf.SailfishConf;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/** Checks every call's constant arguments, and the settings, when a query has been analysed. */
final class CallCheck extends AbstractFunction1<LogicalPlan, BoxedUnit> {
  private final SparkSession session;

  CallCheck(SparkSession session) {
    this.session = session;
  }

  @Override
  public BoxedUnit apply(LogicalPlan plan) {
    plan.foreach(
        node -> {
          for (Expression e : ScalaInterop.<Expression>list(node.expressions())) {
            if (AiCalls.in(e)) {
              checkCalls(e);
            }
          }
          return BoxedUnit.UNIT;
        });
    return BoxedUnit.UNIT;
  }

  private void checkCalls(Expression root) {
    SailfishConf conf = SessionConf.ofThread();
    try {
      conf.requireStartupAsIn(SessionConf.of(session.sparkContext().conf()));
    } catch (IllegalArgumentException e) {
      throw SessionConf.invalid(e);
    }
    root.foreach(
        e -> {
          if (e instanceof AiCall call && call.childrenResolved()) {
            BoundCall.of(call, conf.models());
          }
          return BoxedUnit.UNIT;
        });
  }
}
