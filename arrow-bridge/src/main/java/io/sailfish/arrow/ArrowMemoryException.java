package io.sailfish.arrow;

/**
 * A buffer was refused: rows in flight hold all that the cap or the host allows. Other rows give
 * memory back when they finish, so the task may be tried again.
 */
public final class ArrowMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The setting that holds the cap. */
  static final String CAP_KEY = "spark.sailfish.arrow.maxBytes";

  private final long requestedBytes;
  private final long usedBytes;
  private final long maxBytes;

  ArrowMemoryException(long requestedBytes, long usedBytes, long maxBytes, String reason) {
    super(
        "Arrow memory for rows in flight: %s: requested %,d bytes, in use %,d of %,d; raise %s or lower the rows in flight"
            .formatted(reason, requestedBytes, usedBytes, maxBytes, CAP_KEY));
    this.requestedBytes = requestedBytes;
    this.usedBytes = usedBytes;
    this.maxBytes = maxBytes;
  }

  public long requestedBytes() {
    return requestedBytes;
  }

  public long usedBytes() {
    return usedBytes;
  }

  public long maxBytes() {
    return maxBytes;
  }
}
