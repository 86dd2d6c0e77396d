package io.sailfish.kernels;

/**
 * An operator refused its arguments: says operator, argument, what was expected and what it got.
 */
public final class KernelException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  public KernelException(String operator, String argument, Object expected, Object got) {
    super("%s: %s: expected %s, got %s".formatted(operator, argument, expected, got));
  }
}
