package io.sailfish.spark.evaluate;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.evaluate.Evaluator;
import io.sailfish.llama.evaluate.TextWindows;
import io.sailfish.spark.CardChoice;
import io.sailfish.spark.exec.TaskModels;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Objects;
import java.util.Spliterators;
import java.util.stream.StreamSupport;
import org.apache.spark.TaskContext;

/**
 * Opened models of an executor process: its tasks take turns with one pair, which computes on all
 * of the executor's threads or its card.
 */
final class ExecutorEvaluators {
  /** By job; each opens what it needs when it is asked for it. */
  static final TaskModels<EvaluationJob, Shared> OPEN =
      new TaskModels<>("sailfish-evaluators", Integer.MAX_VALUE, Shared::new, Shared::close);

  private ExecutorEvaluators() {}

  /** What a job's tasks share. */
  static final class Shared {
    private final EvaluationJob job;
    private TextWindows windows;
    private Evaluator evaluator;

    Shared(EvaluationJob job) {
      this.job = job;
    }

    synchronized TextWindows windows() {
      if (windows == null) {
        windows = TextWindows.of(ModelSource.ofHost(job.model()), job.length());
      }
      return windows;
    }

    synchronized EvaluationSums score(int... window) {
      if (evaluator == null) {
        Path original = job.original() == null ? null : ModelSource.ofHost(job.original());
        BackendRequest backend = CardChoice.ofTask(job.backend());
        evaluator = new Evaluator(ModelSource.ofHost(job.model()), original, backend, job.length());
      }
      return evaluator.score(window);
    }

    synchronized void close() {
      if (windows != null) {
        windows.close();
      }
      if (evaluator != null) {
        evaluator.close();
      }
    }
  }

  /** The windows of texts; nulls are passed over. */
  static Iterator<TextWindow> windows(EvaluationJob job, Iterator<String> texts) {
    TextWindows cutter = OPEN.ofTask(job).windows();
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(texts, 0), false)
        .filter(Objects::nonNull)
        .flatMap(text -> cutter.cut(text).stream())
        .map(TextWindow::of)
        .iterator();
  }

  /** What the windows of a partition add up to. */
  static EvaluationSums sums(EvaluationJob job, Iterator<TextWindow> windows) {
    Shared shared = OPEN.ofTask(job);
    EvaluationSums sums = EvaluationSums.NONE;
    while (windows.hasNext()) {
      TaskContext.get().killTaskIfInterrupted();
      sums = sums.plus(shared.score(windows.next().tokens()));
    }
    return sums;
  }
}
