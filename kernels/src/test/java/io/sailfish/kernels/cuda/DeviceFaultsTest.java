package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.DeviceMemoryException;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.Test;

class DeviceFaultsTest {
  private final DeviceFaults faults = new DeviceFaults();

  @Test
  void successAndHarmlessErrorsLeaveTheDeviceAlive() {
    faults.check(CUresult.CUDA_SUCCESS, "cuCtxSynchronize");
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> faults.check(CUresult.CUDA_ERROR_INVALID_VALUE, "cuMemAlloc(5)"));
    assertEquals(CUresult.CUDA_ERROR_INVALID_VALUE, e.code());
    assertTrue(e.getMessage().contains("cuMemAlloc(5)"), e.getMessage());
    assertTrue(e.getMessage().contains("CUDA_ERROR_INVALID_VALUE"), e.getMessage());
    faults.checkAlive();
    assertFalse(faults.lost());
  }

  @Test
  void memoryThatRanOutMayBeThereForAnotherTry() {
    DeviceMemoryException e =
        assertThrows(
            DeviceMemoryException.class,
            () -> faults.check(CUresult.CUDA_ERROR_OUT_OF_MEMORY, "cuGraphInstantiate(decode)"));
    assertTrue(e.getMessage().contains("cuGraphInstantiate(decode)"), e.getMessage());
    assertFalse(faults.lost());
  }

  @Test
  void aFaultIsLatchedWithTheLastEightLaunches() {
    for (int i = 0; i < 10; i++) {
      faults.launching("kernel" + i);
    }
    DeviceLostException first =
        assertThrows(
            DeviceLostException.class,
            () -> faults.check(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, "cuStreamSynchronize"));
    assertEquals(DeviceFaults.REMEMBERED_LAUNCHES, first.suspects().size());
    assertEquals("kernel2", first.suspects().get(0));
    assertEquals("kernel9", first.suspects().get(7));
    assertTrue(first.getMessage().contains("ILLEGAL_ADDRESS"), first.getMessage());

    faults.launching("later");
    DeviceLostException again = assertThrows(DeviceLostException.class, faults::checkAlive);
    assertEquals(first.suspects(), again.suspects());
    // Whatever the driver answers afterwards, the first fault is what is told.
    DeviceLostException other =
        assertThrows(
            DeviceLostException.class,
            () -> faults.check(CUresult.CUDA_ERROR_INVALID_VALUE, "cuMemFree"));
    assertTrue(other.getMessage().contains("ILLEGAL_ADDRESS"), other.getMessage());
    assertTrue(faults.lost());
  }
}
