package io.sailfish.spark.exec;

import io.sailfish.arrow.ArrowMemoryException;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.SailfishException;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/**
 * What becomes of a failure. A row's own (USER) and a DEFECT: the task fails with a final {@link
 * SailfishException}, and the query with it at once. RETRYABLE: the task fails, and the next try
 * may succeed. FATAL: the task fails and the executor ends, so that the next try meets a fresh one;
 * Spark counts that as a failed try as well, so nothing goes on for ever.
 */
final class FailurePolicy {
  private FailurePolicy() {}

  /** What a task throws for a failed engine; ends the executor if the failure is fatal. */
  static SailfishException engineFailure(String model, Throwable thrown, ExecutorHost host) {
    Throwable cause = unwrap(thrown);
    if (cause instanceof SailfishException known) {
      return known;
    }
    ErrorCondition condition =
        isDefect(cause)
            ? ErrorCondition.SAILFISH_INTERNAL_ERROR
            : ErrorCondition.SAILFISH_ENGINE_FAILED;
    SailfishException failure =
        condition.atRuntime(cause, Map.of("model", model, "reason", reason(cause)));
    if (cause instanceof RuntimeFailure runtime && runtime.kind() == Kind.FATAL) {
      host.exit("the engine of model " + model + " is unusable: " + reason(cause));
    }
    return failure;
  }

  /** What is kept of a failed load. RETRYABLE for input and output, else the tasks' exception. */
  static RuntimeException loadFailure(String model, String path, Throwable thrown) {
    Throwable cause = unwrap(thrown);
    SailfishException failure =
        ErrorCondition.SAILFISH_MODEL_UNAVAILABLE.atRuntime(
            cause, Map.of("model", model, "path", path, "reason", reason(cause)));
    boolean retry =
        cause instanceof IOException
            || cause instanceof ArrowMemoryException
            || cause instanceof RuntimeFailure runtime && runtime.kind() == Kind.RETRYABLE;
    return retry ? new RuntimeFailure(Kind.RETRYABLE, failure.getMessage(), failure) : failure;
  }

  /** What a task throws for a model that was not loaded. */
  static SailfishException unavailable(String model, Throwable thrown, ExecutorHost host) {
    Throwable cause = unwrap(thrown);
    return cause.getCause() instanceof SailfishException failure
        ? failure
        : engineFailure(model, cause, host);
  }

  /** Cancelled means that the executor is shutting down. */
  private static boolean isDefect(Throwable cause) {
    return cause instanceof RuntimeFailure failure
        ? failure.kind() == Kind.DEFECT
        : !(cause instanceof ArrowMemoryException || cause instanceof CancellationException);
  }

  private static Throwable unwrap(Throwable thrown) {
    Throwable cause = thrown;
    while ((cause instanceof CompletionException || cause instanceof ExecutionException)
        && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause;
  }

  private static String reason(Throwable cause) {
    String message = cause.getMessage();
    boolean speaksForItself = message != null && cause instanceof RuntimeFailure;
    return speaksForItself ? message : cause.getClass().getSimpleName() + ": " + message;
  }
}
