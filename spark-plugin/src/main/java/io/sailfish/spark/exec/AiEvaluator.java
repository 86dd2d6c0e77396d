package io.sailfish.spark.exec;

import io.sailfish.spark.catalyst.CallSpec;
import java.util.List;
import org.apache.spark.PartitionEvaluator;
import org.apache.spark.PartitionEvaluatorFactory;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import scala.collection.Iterator;
import scala.collection.immutable.Seq;

/**
 * What travels to the tasks, by Java serialization: the calls, how their inputs are computed, and
 * the metrics.
 *
 * @param calls in the order of their columns
 * @param inputs the calls' inputs one after another, over {@code childOutput}
 * @param output child's columns and the calls' columns
 */
public record AiEvaluator(
    List<CallSpec> calls,
    Seq<Expression> inputs,
    Seq<Attribute> childOutput,
    Seq<Attribute> output,
    WindowSizes window,
    ModelMetrics metrics)
    implements PartitionEvaluatorFactory<InternalRow, InternalRow> {

  public AiEvaluator {
    calls = List.copyOf(calls);
  }

  @Override
  public PartitionEvaluator<InternalRow, InternalRow> createEvaluator() {
    return new PartitionEvaluator<>() {
      @Override
      public Iterator<InternalRow> eval(int partition, Seq<Iterator<InternalRow>> inputs) {
        return new RowWindow(AiEvaluator.this, inputs.head(), partition, TaskContext.get());
      }
    };
  }
}
