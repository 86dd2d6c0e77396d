package io.sailfish.kernels.cuda;

/** A driver call failed without poisoning the context. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int code;

  CudaException(int code, String call) {
    super("%s: %s".formatted(call, CudaDriver.errorText(code)));
    this.code = code;
  }

  CudaException(String message) {
    super(message);
    this.code = 0;
  }

  /** The driver's CUresult, 0 if the driver was not asked. */
  public int code() {
    return code;
  }
}
