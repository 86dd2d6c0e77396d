package io.sailfish.spark.catalyst;

import java.util.List;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.physical.HashPartitioning;
import org.apache.spark.sql.catalyst.plans.physical.RangePartitioning;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.exchange.Exchange;
import org.apache.spark.sql.execution.exchange.REPARTITION_BY_NUM$;
import org.apache.spark.sql.execution.exchange.ShuffleExchangeExec;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.AtomicType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;
import scala.Option;

/**
 * Puts a shuffle between the model and a range exchange (ORDER BY, repartitionByRange), which runs
 * its input twice: once to sample it, once to move it. The shuffle goes by hash of the model's
 * input columns where any is left, so that a row's place does not hang on an answer.
 */
final class SampleBarrier extends Rule<SparkPlan> {
  @Override
  public SparkPlan apply(SparkPlan plan) {
    return (SparkPlan)
        plan.transformUp(
            ScalaInterop.<SparkPlan>rewrite(
                node ->
                    node instanceof ShuffleExchangeExec exchange
                            && exchange.outputPartitioning() instanceof RangePartitioning range
                            && modelBelow(exchange.child()) != null
                        ? withBarrier(exchange, range.numPartitions())
                        : null));
  }

  private static SparkPlan withBarrier(ShuffleExchangeExec exchange, int partitions) {
    SparkPlan child = exchange.child();
    AiEvalExec model = modelBelow(child);
    List<Attribute> all = ScalaInterop.<Attribute>list(child.output());
    List<Attribute> hashable =
        all.stream().filter(column -> isHashable(column.dataType())).toList();
    List<Attribute> inputs =
        hashable.stream().filter(column -> !model.producedAttributes().contains(column)).toList();
    List<? extends Expression> keys =
        (inputs.isEmpty() ? hashable : inputs).stream().map(Expression.class::cast).toList();
    SparkPlan barrier =
        new ShuffleExchangeExec(
            new HashPartitioning(ScalaInterop.<Expression>seq(keys), partitions),
            child,
            REPARTITION_BY_NUM$.MODULE$,
            Option.empty());
    return (SparkPlan) exchange.withNewChildren(ScalaInterop.seq(List.of(barrier)));
  }

  /** The model's node in the stage of {@code plan}, or null. */
  private static AiEvalExec modelBelow(SparkPlan plan) {
    if (plan instanceof AiEvalExec model) {
      return model;
    }
    if (plan instanceof Exchange) {
      return null;
    }
    for (SparkPlan child : ScalaInterop.<SparkPlan>list(plan.children())) {
      AiEvalExec model = modelBelow(child);
      if (model != null) {
        return model;
      }
    }
    return null;
  }

  /** Maps and variants have no hash. */
  private static boolean isHashable(DataType type) {
    if (type instanceof ArrayType array) {
      return isHashable(array.elementType());
    }
    if (type instanceof StructType struct) {
      for (var field : struct.fields()) {
        if (!isHashable(field.dataType())) {
          return false;
        }
      }
      return true;
    }
    return type instanceof AtomicType;
  }
}
