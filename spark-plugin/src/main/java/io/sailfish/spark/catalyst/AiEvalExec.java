package io.sailfish.spark.catalyst;

import io.sailfish.spark.LoadedModels;
import io.sailfish.spark.conf.SailfishConf;
import io.sailfish.spark.exec.AiEvaluator;
import io.sailfish.spark.exec.ModelMetrics;
import io.sailfish.spark.exec.WindowSizes;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeSet;
import org.apache.spark.sql.catalyst.expressions.AttributeSet$;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.catalyst.expressions.SortOrder;
import org.apache.spark.sql.catalyst.plans.physical.Partitioning;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.UnaryExecNode;
import org.apache.spark.sql.execution.metric.SQLMetric;
import scala.Function1;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;
import scala.reflect.ClassTag$;

/**
 * Adds a column for each call to the child's rows. Holds no logic of its own: {@link AiEvaluator}
 * does the work in the tasks.
 *
 * <p>Spark clones nodes by reflection: the one public constructor takes exactly the product's
 * elements. Where a superclass and a Scala trait both have a method, Java takes the superclass's,
 * so the trait's is called by hand.
 */
public final class AiEvalExec extends SparkPlan implements UnaryExecNode {
  private static final long serialVersionUID = 1L;

  private final Seq<PythonUDF> calls;
  private final Seq<Attribute> results;
  private final SparkPlan child;
  private final WindowSizes window;
  private transient scala.collection.immutable.Map<String, SQLMetric> metrics;

  public AiEvalExec(
      Seq<PythonUDF> calls, Seq<Attribute> results, SparkPlan child, WindowSizes window) {
    this.calls = calls;
    this.results = results;
    this.child = child;
    this.window = window;
  }

  @Override
  public RDD<InternalRow> doExecute() {
    Map<String, String> models = SessionConf.of(session().sessionState().conf()).models();
    List<CallSpec> specs = new ArrayList<>();
    List<Expression> inputs = new ArrayList<>();
    for (PythonUDF call : ScalaInterop.<PythonUDF>list(calls)) {
      BoundCall bound = BoundCall.of((AiCall) call, models);
      specs.add(bound.spec());
      inputs.addAll(bound.inputs());
    }
    AiEvaluator evaluator =
        new AiEvaluator(
            specs,
            ScalaInterop.seq(inputs),
            child.output(),
            output(),
            window,
            ModelMetrics.of(metrics()));
    return child
        .execute()
        .mapPartitionsWithEvaluator(evaluator, ClassTag$.MODULE$.apply(InternalRow.class));
  }

  /** The same node whose tasks have all rows of the window in flight from the start. */
  AiEvalExec withFullWindow() {
    return window.isFull() ? this : new AiEvalExec(calls, results, child, window.full());
  }

  @Override
  public Seq<Attribute> output() {
    List<Attribute> all = new ArrayList<>(ScalaInterop.<Attribute>list(child.output()));
    all.addAll(ScalaInterop.<Attribute>list(results));
    return ScalaInterop.seq(all);
  }

  @Override
  @SuppressWarnings({
    "unchecked",
    "rawtypes"
  }) // AttributeSet wants Expressions, Seq is invariant here
  public AttributeSet producedAttributes() {
    return AttributeSet$.MODULE$.apply((scala.collection.Iterable) results);
  }

  @Override
  public Partitioning outputPartitioning() {
    return child.outputPartitioning();
  }

  @Override
  public Seq<SortOrder> outputOrdering() {
    return child.outputOrdering();
  }

  /** Made once: Spark reads the same objects that the tasks fill. */
  @Override
  public scala.collection.immutable.Map<String, SQLMetric> metrics() {
    if (metrics == null) {
      metrics = ScalaInterop.map(ModelMetrics.create(sparkContext()));
    }
    return metrics;
  }

  @Override
  public String nodeName() {
    return "AiEval";
  }

  /** EXPLAIN: each call with its column, then each model once. */
  @Override
  public String argString(int maxFields) {
    List<String> columns = new ArrayList<>();
    Set<String> models = new LinkedHashSet<>();
    SailfishConf conf = SessionConf.of(session().sessionState().conf());
    for (int i = 0; i < calls.size(); i++) {
      AiCall call = (AiCall) calls.apply(i);
      columns.add(call + " AS " + results.apply(i));
      String model = BoundCall.of(call, conf.models()).spec().model();
      models.add(LoadedModels.describe(model, conf));
    }
    return "[" + String.join(", ", columns) + "], " + String.join("; ", models);
  }

  @Override
  public SparkPlan child() {
    return child;
  }

  @Override
  public Seq<SparkPlan> children() {
    return UnaryExecNode.super.children();
  }

  @Override
  public SparkPlan mapChildren(Function1<SparkPlan, SparkPlan> change) {
    return (SparkPlan) UnaryExecNode.super.mapChildren(change);
  }

  @Override
  public SparkPlan withNewChildrenInternal(IndexedSeq<SparkPlan> children) {
    return withNewChildInternal(children.head());
  }

  @Override
  public SparkPlan withNewChildInternal(SparkPlan newChild) {
    return new AiEvalExec(calls, results, newChild, window);
  }

  @Override
  public String verboseStringWithOperatorId() {
    return UnaryExecNode.super.verboseStringWithOperatorId();
  }

  @Override
  public int productArity() {
    return 4;
  }

  @Override
  public Object productElement(int index) {
    return switch (index) {
      case 0 -> calls;
      case 1 -> results;
      case 2 -> child;
      case 3 -> window;
      default -> throw new IndexOutOfBoundsException(index);
    };
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof AiEvalExec;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AiEvalExec node
        && calls.equals(node.calls)
        && results.equals(node.results)
        && child.equals(node.child)
        && window.equals(node.window);
  }

  @Override
  public int hashCode() {
    return Objects.hash(calls, results, child, window);
  }
}
