package io.sailfish.spark.exec;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.catalyst.CallSpec;
import io.sailfish.spark.catalyst.Labels;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.arrow.vector.VarCharVector;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * One call over the rows of a batch: its texts on their way to the engine, then its answers. Rows
 * of one task go to the engine together; labels that come from a column make several tasks of a
 * batch.
 */
final class CallBatch implements AutoCloseable {
  private final CallSpec spec;
  private final LlamaRuntime runtime;
  private final int textInput;
  private final Map<RowTask, Group> groups = new LinkedHashMap<>();
  private final List<Place> places = new ArrayList<>();

  private CallBatch(CallSpec spec, LlamaRuntime runtime, int textInput) {
    this.spec = spec;
    this.runtime = runtime;
    this.textInput = textInput;
  }

  /**
   * @param textInput position of the call's text among the inputs; its labels follow
   */
  static CallBatch of(CallSpec spec, LlamaRuntime runtime, int textInput) {
    return new CallBatch(spec, runtime, textInput);
  }

  /** Where a row's answer is: a row of a group, or an error found before the engine. */
  private record Place(Group group, int row, String error) {}

  /** Rows of one task. */
  private final class Group implements AutoCloseable {
    private final RowTask task;
    private Utf8Writer writer;
    private Utf8Column column;
    private CompletableFuture<RowResults> future;
    private RowResults results;

    Group(RowTask task) {
      this.task = task;
      this.writer = Utf8Column.writer(runtime.memory().allocator(), 16, 1024);
    }

    /** One copy: from wherever the row lies into the Arrow buffer. */
    Place add(UTF8String text) {
      int row = writer.rows();
      if (text == null) {
        writer.writeNull();
      } else {
        long address = writer.reserve(text.numBytes());
        Platform.copyMemory(
            text.getBaseObject(), text.getBaseOffset(), null, address, text.numBytes());
      }
      return new Place(this, row, null);
    }

    CompletableFuture<RowResults> submit() {
      column = writer.finish();
      writer = null;
      try {
        future = runtime.submit(task, column);
      } finally {
        column.close();
        column = null;
      }
      return future;
    }

    @Override
    public void close() {
      if (writer != null) {
        writer.close();
        writer = null;
      }
      if (results != null) {
        results.close();
        results = null;
      } else if (future != null) {
        future.cancel(true);
        // A future that finished first is nobody else's to close.
        future.thenAccept(RowResults::close);
      }
      future = null;
    }
  }

  void add(UnsafeRow inputs) {
    UTF8String text = inputs.isNullAt(textInput) ? null : inputs.getUTF8String(textInput);
    if (!spec.labelsPerRow()) {
      places.add(group(spec.task()).add(text));
      return;
    }
    if (text == null || inputs.isNullAt(textInput + 1)) {
      places.add(new Place(null, 0, null));
      return;
    }
    List<String> labels = Labels.texts(inputs.getArray(textInput + 1));
    String problem = Labels.problem(labels);
    if (problem != null) {
      places.add(new Place(null, 0, "the labels are invalid: " + problem));
      return;
    }
    RowTask.Classify common = (RowTask.Classify) spec.task();
    places.add(
        group(new RowTask.Classify(labels, common.instructions(), common.overflow())).add(text));
  }

  private Group group(RowTask task) {
    return groups.computeIfAbsent(task, Group::new);
  }

  List<CompletableFuture<RowResults>> submit() {
    List<CompletableFuture<RowResults>> futures = new ArrayList<>();
    for (Group group : groups.values()) {
      futures.add(group.submit());
    }
    return futures;
  }

  /** After all futures are done. */
  void open(ModelMetrics metrics, ExecutorHost host) {
    for (Group group : groups.values()) {
      try {
        group.results = group.future.join();
      } catch (CompletionException | java.util.concurrent.CancellationException e) {
        throw FailurePolicy.engineFailure(spec.model(), e, host);
      }
      metrics.add(group.results.usage());
    }
  }

  /** The row's value as Catalyst has it; its bytes lie in Arrow memory until {@link #close}. */
  Object answer(int row) {
    Place place = places.get(row);
    UTF8String text = null;
    UTF8String error = place.error() == null ? null : UTF8String.fromString(place.error());
    if (place.group() != null) {
      text = at(place.group().results.text(), place.row());
      error = at(place.group().results.error(), place.row());
    }
    if (spec.errorsAsValues()) {
      return resultOrError(text, error);
    }
    if (error != null) {
      throw ErrorCondition.SAILFISH_ROW_FAILED.atRuntime(
          null, Map.of("function", spec.function(), "reason", error.toString()));
    }
    return text;
  }

  /** NULL in gives NULL out, and not a structure of NULLs. */
  private static InternalRow resultOrError(UTF8String text, UTF8String error) {
    return text == null && error == null
        ? null
        : new GenericInternalRow(new Object[] {text, error});
  }

  private static UTF8String at(Utf8Column column, int row) {
    if (column.isNull(row)) {
      return null;
    }
    VarCharVector vector = column.vector();
    long address = vector.getDataBuffer().memoryAddress() + vector.getStartOffset(row);
    return UTF8String.fromAddress(null, address, column.byteLength(row));
  }

  @Override
  public void close() {
    groups.values().forEach(Group::close);
  }
}
