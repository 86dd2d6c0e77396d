package io.sailfish.llama;

import io.sailfish.arrow.ArrowMemoryException;
import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.DeviceMemoryException;

/** A failure of the engine or of a row, with what the caller should do about it. */
public final class RuntimeFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What to do. */
  public enum Kind {
    /**
     * A bad argument, row or file: that row's error, or the query's. Trying again will not help.
     */
    USER,
    /** The task may be tried again. */
    RETRYABLE,
    /**
     * A defect of ours: an exception that nobody expects. It fails all rows that were computed
     * together, and trying again gives the same.
     */
    DEFECT,
    /** The device or process is unusable: the executor has to end. */
    FATAL
  }

  private final Kind kind;

  public RuntimeFailure(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /**
   * What was thrown where no failure of a row is meant to be thrown: memory that ran out may be
   * there for another try, a lost device is FATAL, whatever else is a DEFECT.
   *
   * @param where for the message
   */
  public static RuntimeFailure unexpected(String where, Throwable cause) {
    if (cause instanceof RuntimeFailure failure) {
      return failure;
    }
    boolean noMemory =
        cause instanceof ArrowMemoryException
            || cause instanceof DeviceMemoryException
            || cause instanceof OutOfMemoryError;
    Kind kind =
        cause instanceof DeviceLostException ? Kind.FATAL : noMemory ? Kind.RETRYABLE : Kind.DEFECT;
    return new RuntimeFailure(kind, where + ": " + cause, cause);
  }

  public Kind kind() {
    return kind;
  }
}
