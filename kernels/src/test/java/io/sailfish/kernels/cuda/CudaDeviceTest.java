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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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

  /** JCuda unpacks its library to one place for all processes; a fresh folder makes them meet. */
  @Test
  @Tag("gpu")
  void processesOfAHostMayStartAtTheSameTime(@TempDir Path folder) throws Exception {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    List<Process> processes = new ArrayList<>();
    try {
      for (int i = 0; i < 8; i++) {
        Path log = folder.resolve("log" + i);
        processes.add(
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-Djava.io.tmpdir=" + folder,
                    "-cp",
                    System.getProperty("java.class.path"),
                    Starting.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start());
      }
      for (int i = 0; i < processes.size(); i++) {
        assertTrue(processes.get(i).waitFor(60, TimeUnit.SECONDS), "process " + i + " hangs");
        assertEquals(0, processes.get(i).exitValue(), Files.readString(folder.resolve("log" + i)));
      }
    } finally {
      processes.forEach(Process::destroyForcibly);
    }
  }

  /** A process that asks for the driver and ends. */
  static final class Starting {
    public static void main(String[] args) {
      CudaAvailability availability = CudaDevice.availability();
      System.out.println(availability.reason());
      System.exit(availability.available() ? 0 : 1);
    }
  }
}
