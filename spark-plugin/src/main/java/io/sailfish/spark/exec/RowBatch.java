package io.sailfish.spark.exec;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.spark.catalyst.CallSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import scala.collection.immutable.Seq;

/** A few rows on their way through the engine, with all calls of the node. */
final class RowBatch implements AutoCloseable {
  private final List<CallBatch> calls = new ArrayList<>();
  private final List<InternalRow> rows = new ArrayList<>();
  private final GenericInternalRow answers;
  private long bytes;
  private CompletableFuture<Void> all;
  private int next;

  /** {@code runtimes}: one for each call. */
  RowBatch(List<CallSpec> specs, List<LlamaRuntime> runtimes) {
    int firstInput = 0;
    for (int i = 0; i < specs.size(); i++) {
      calls.add(CallBatch.of(specs.get(i), runtimes.get(i), firstInput));
      firstInput += specs.get(i).labelsPerRow() ? 2 : 1;
    }
    answers = new GenericInternalRow(specs.size());
  }

  /** Columns as expressions, which Scala's covariant sequences are and Java's generics deny. */
  static Seq<Expression> expressions(Seq<Attribute> columns) {
    @SuppressWarnings("unchecked")
    Seq<Expression> same = (Seq<Expression>) (Seq<?>) columns;
    return same;
  }

  /** {@code row} is copied, as its producer will write over it. */
  void add(InternalRow row, UnsafeRow inputs) {
    InternalRow held = row.copy();
    rows.add(held);
    bytes += held instanceof UnsafeRow unsafe ? unsafe.getSizeInBytes() : 0;
    bytes += inputs.getSizeInBytes();
    for (CallBatch call : calls) {
      call.add(inputs);
    }
  }

  int rows() {
    return rows.size();
  }

  long bytes() {
    return bytes;
  }

  /** Completes when all calls have, one way or another. */
  CompletableFuture<Void> submit() {
    List<CompletableFuture<?>> futures = new ArrayList<>();
    for (CallBatch call : calls) {
      futures.addAll(call.submit());
    }
    all = CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new));
    return all;
  }

  boolean isDone() {
    return all != null && all.isDone();
  }

  /** Takes the answers over; throws if a call failed as a whole. */
  void open(ModelMetrics metrics, ExecutorHost host) {
    for (CallBatch call : calls) {
      call.open(metrics, host);
    }
  }

  boolean hasNext() {
    return next < rows.size();
  }

  /** The next input row; {@link #answers} is then about it. */
  InternalRow nextRow() {
    for (int i = 0; i < calls.size(); i++) {
      answers.update(i, calls.get(i).answer(next));
    }
    return rows.get(next++);
  }

  /** Points into Arrow memory until the next row or {@link #close}. */
  InternalRow answers() {
    return answers;
  }

  @Override
  public void close() {
    calls.forEach(CallBatch::close);
  }
}
