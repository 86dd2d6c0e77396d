package io.sailfish.kernels;

import java.util.List;

/**
 * The device's context is poisoned: a kernel faulted, and every later call of this process on that
 * device fails alike. Only a new process helps. The error is asynchronous, so the culprit is among
 * the last launches, newest last.
 */
public final class DeviceLostException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String error;
  private final transient List<String> suspects;

  public DeviceLostException(String error, List<String> suspects) {
    super(
        "device lost: %s; last launches, newest last: %s"
            .formatted(error, suspects.isEmpty() ? "none" : String.join(" | ", suspects)));
    this.error = error;
    this.suspects = List.copyOf(suspects);
  }

  /** The driver call that first reported the fault, and its error. */
  public String error() {
    return error;
  }

  /** The last launches before the fault, newest last. Empty after deserialisation. */
  public List<String> suspects() {
    return suspects == null ? List.of() : suspects;
  }
}
