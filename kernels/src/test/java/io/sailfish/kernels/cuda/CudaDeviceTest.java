package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.DeviceMemoryException;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class CudaDeviceTest {
  @Test
  void availabilityIsAnsweredOnceAndWithAReason() {
    CudaAvailability availability = CudaDevice.availability();
    assertSame(availability, CudaDevice.availability());
    assertFalse(availability.reason().isBlank());
  }

  @Test
  void withoutADriverOpeningTellsTheReason() {
    CudaAvailability availability = CudaDevice.availability();
    assumeFalse(availability.available(), "this machine has a card");
    CudaException e = assertThrows(CudaException.class, () -> CudaDevice.open(0));
    assertTrue(e.getMessage().contains(availability.reason()), e.getMessage());
  }

  @Test
  @Tag("gpu")
  void bytesGoToTheCardAndBackAlsoThroughAGraph() {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    try (CudaDevice device = CudaDevice.open(0);
        CudaStream stream = device.newStream();
        PinnedMemory host = device.pinned(1 << 16, "round trip");
        DeviceBuffer a = device.memory().allocate(1 << 16, "a");
        DeviceBuffer b = device.memory().allocate(1 << 16, "b")) {
      ByteBuffer bytes = host.buffer();
      for (int i = 0; i < bytes.capacity(); i++) {
        bytes.put(i, (byte) (i * 31));
      }
      stream.upload(bytes, a.address());
      try (CudaGraph graph =
          stream.capture("copy", () -> stream.copy(a.address(), b.address(), a.bytes()))) {
        graph.launch(stream);
        stream.synchronize();
      }
      ByteBuffer back = ByteBuffer.allocateDirect(bytes.capacity());
      stream.download(b.address(), back);
      stream.synchronize();
      assertEquals(bytes, back);
    }
  }

  @Test
  @Tag("gpu")
  void exhaustionOfTheCardIsOurOwnException() {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    try (CudaDevice device = CudaDevice.open(0)) {
      long total = device.properties().totalBytes();
      assertThrows(
          DeviceMemoryException.class, () -> device.memory().allocate(total + 1, "too much"));
      assertFalse(device.lost());
    }
  }
}
