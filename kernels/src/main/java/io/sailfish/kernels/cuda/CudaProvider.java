package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BackendProvider;
import io.sailfish.kernels.BackendRequest;

/** Whether a card can be used, and the backend on it. */
public final class CudaProvider implements BackendProvider {
  /** What the operators are written for: attention and products use wgmma. */
  private static final int COMPUTE_CAPABILITY = 90;

  @Override
  public String id() {
    return "cuda";
  }

  @Override
  public String refusal(BackendRequest request) {
    return refusalOf(request);
  }

  @Override
  public Backend open(BackendRequest request) {
    return CudaBackend.open(request);
  }

  /** Why the card cannot be used, in words for the user; null when it can. */
  static String refusalOf(BackendRequest request) {
    CudaAvailability availability = CudaDriver.availability(request.card());
    if (!availability.available()) {
      return availability.reason();
    }
    for (KernelSpec spec : Attention.specs()) {
      if (!CudaModules.isBuilt(spec.module())) {
        return "this build carries no device code: build with nvcc (-Dsailfish.cuda=require)";
      }
    }
    try {
      int ordinal = CardAddress.ordinal(request.card());
      int capability = CudaDevice.computeCapability(ordinal);
      return capability == COMPUTE_CAPABILITY
          ? null
          : "card %d is sm_%d; the operators on the card are written for sm_%d (H100, H200)"
              .formatted(ordinal, capability, COMPUTE_CAPABILITY);
    } catch (CudaException e) {
      return e.getMessage();
    }
  }
}
