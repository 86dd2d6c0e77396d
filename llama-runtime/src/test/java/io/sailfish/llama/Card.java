package io.sailfish.llama;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;

/** The card of the machine, if it has one. */
public final class Card {
  private Card() {}

  /** Skips the test, and says why, where there is none. */
  public static void assume() {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
  }
}
