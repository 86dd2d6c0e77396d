package io.sailfish.llama;

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
    /** The device or process is unusable: the executor has to end. */
    FATAL
  }

  private final Kind kind;

  public RuntimeFailure(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
