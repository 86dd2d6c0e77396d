package io.sailfish.kernels.cuda;

import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.DeviceMemoryException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import jcuda.driver.CUresult;

/**
 * Turns driver results into exceptions and latches the first one that poisons the context: from
 * then on every check fails at once with the same suspects, so that nobody waits for a dead card.
 */
final class DeviceFaults {
  static final int REMEMBERED_LAUNCHES = 8;

  private final Deque<String> launches = new ArrayDeque<>();
  private DeviceLostException fatal;

  /** Notes a launch that is about to be queued. */
  synchronized void launching(String what) {
    if (launches.size() == REMEMBERED_LAUNCHES) {
      launches.removeFirst();
    }
    launches.addLast(what);
  }

  /** Throws if the device is lost; call before anything that could block on it. */
  synchronized void checkAlive() {
    if (fatal != null) {
      throw again();
    }
  }

  /** Throws unless {@code code} is success; a code that poisons the context is latched. */
  void check(int code, String call) {
    if (code == CUresult.CUDA_SUCCESS) {
      return;
    }
    synchronized (this) {
      if (fatal == null && poisons(code)) {
        fatal = new DeviceLostException(call + ": " + CudaDriver.errorText(code), suspects());
      }
      if (fatal != null) {
        throw again();
      }
    }
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new DeviceMemoryException(call);
    }
    throw new CudaException(code, call);
  }

  synchronized boolean lost() {
    return fatal != null;
  }

  private List<String> suspects() {
    return new ArrayList<>(launches);
  }

  /** A fresh exception each time, so that its stack is the caller's; the first one is its cause. */
  private DeviceLostException again() {
    DeviceLostException copy = new DeviceLostException(fatal.error(), fatal.suspects());
    copy.initCause(fatal);
    return copy;
  }

  /** Errors after which the driver fails every later call of the context. */
  private static boolean poisons(int code) {
    return switch (code) {
      case CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_EXTERNAL_DEVICE,
          CUresult.CUDA_ERROR_UNKNOWN ->
          true;
      default -> false;
    };
  }
}
