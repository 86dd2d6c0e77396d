package io.sailfish.spark.catalyst;

import io.sailfish.spark.conf.SailfishConf;
import io.sailfish.spark.exec.WindowSizes;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.catalyst.plans.logical.ArrowEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.OrderPreservingUnaryNode;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.Repartition;
import org.apache.spark.sql.catalyst.plans.logical.Sort;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.SparkStrategy;
import org.apache.spark.sql.types.Metadata;
import scala.collection.immutable.Seq;

/**
 * Plans ArrowEvalPython nodes that hold {@link AiCall}s. Spark puts a call and a real Python
 * function of the same kind into one node, and {@code f(g(x))} as a chain; both are taken apart
 * into one node above the other.
 */
final class AiStrategy extends SparkStrategy {
  private final SparkSession session;

  AiStrategy(SparkSession session) {
    this.session = session;
  }

  @Override
  public Seq<SparkPlan> apply(LogicalPlan plan) {
    if (!(plan instanceof ArrowEvalPython node)) {
      return ScalaInterop.seq(List.of());
    }
    Outputs chained = new Outputs();
    Outputs ours = new Outputs();
    Outputs theirs = new Outputs();
    boolean any = false;
    for (int i = 0; i < node.udfs().size(); i++) {
      PythonUDF call = node.udfs().apply(i);
      any |= AiCalls.in(call);
      if (call.children().size() == 1 && call.children().head() instanceof PythonUDF inner) {
        Attribute between = attribute(inner);
        chained.add(inner, between);
        call = (PythonUDF) call.withNewChildren(ScalaInterop.seq(List.of((Expression) between)));
      }
      (call instanceof AiCall ? ours : theirs).add(call, node.resultAttrs().apply(i));
    }
    if (!any) {
      return ScalaInterop.seq(List.of());
    }
    if (!chained.calls.isEmpty()) {
      LogicalPlan below = chained.over(node.child(), node.evalType());
      return one(inOrder(node, ours.and(theirs).over(below, node.evalType())));
    }
    if (!theirs.calls.isEmpty()) {
      LogicalPlan below = theirs.over(node.child(), node.evalType());
      return one(inOrder(node, ours.over(below, node.evalType())));
    }
    return one(eval(ours, node.child()));
  }

  private SparkPlan eval(Outputs calls, LogicalPlan child) {
    SailfishConf conf = SessionConf.of(session.sessionState().conf());
    return new AiEvalExec(
        ScalaInterop.seq(calls.calls),
        ScalaInterop.seq(calls.attributes),
        planLater(spread(child, conf.value(SailfishConf.MIN_PARTITIONS))),
        WindowSizes.of(conf));
  }

  /** A sorted child is left alone: whoever sorted it may rely on the order. */
  private static LogicalPlan spread(LogicalPlan child, int minPartitions) {
    return minPartitions == 0 || isSorted(child)
        ? child
        : new Repartition(minPartitions, true, child);
  }

  /** By a sort, even one whose column is dropped afterwards, which outputOrdering does not tell. */
  private static boolean isSorted(LogicalPlan plan) {
    boolean keepsOrder = plan instanceof OrderPreservingUnaryNode;
    return plan instanceof Sort || keepsOrder && isSorted(plan.children().head());
  }

  /** Restores the columns of {@code node}. */
  private SparkPlan inOrder(ArrowEvalPython node, LogicalPlan above) {
    List<NamedExpression> columns = ScalaInterop.<NamedExpression>list(node.output());
    return planLater(new Project(ScalaInterop.seq(columns), above));
  }

  private static Attribute attribute(Expression call) {
    return new AttributeReference(
        "inner",
        call.dataType(),
        true,
        Metadata.empty(),
        NamedExpression.newExprId(),
        ScalaInterop.seq(List.of()));
  }

  private static Seq<SparkPlan> one(SparkPlan plan) {
    return ScalaInterop.seq(List.of(plan));
  }

  /** Calls with the columns they fill. */
  private static final class Outputs {
    private final List<PythonUDF> calls = new ArrayList<>();
    private final List<Attribute> attributes = new ArrayList<>();

    void add(PythonUDF call, Attribute attribute) {
      calls.add(call);
      attributes.add(attribute);
    }

    Outputs and(Outputs more) {
      Outputs both = new Outputs();
      both.calls.addAll(calls);
      both.attributes.addAll(attributes);
      both.calls.addAll(more.calls);
      both.attributes.addAll(more.attributes);
      return both;
    }

    LogicalPlan over(LogicalPlan child, int evalType) {
      return new ArrowEvalPython(
          ScalaInterop.seq(calls), ScalaInterop.seq(attributes), child, evalType);
    }
  }
}
