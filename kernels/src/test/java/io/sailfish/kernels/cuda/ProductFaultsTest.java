package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.FaultyProducts.Family;
import io.sailfish.kernels.cuda.FaultyProducts.Place;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A product that faults on the card is named, latches the device and leaves nobody waiting. */
@Tag("gpu")
class ProductFaultsTest {
  /** Far more than a process, a card's context and a few launches take. */
  private static final long MOST_SECONDS = 60;

  static Stream<Arguments> faults() {
    return Stream.of(Family.values())
        .flatMap(family -> Stream.of(Place.values()).map(place -> Arguments.of(family, place)));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void aFaultLatchesTheDeviceWithTheSuspectsNamed(Family family, Place place, @TempDir Path folder)
      throws IOException, InterruptedException {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    Path log = folder.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(FaultyProducts.class.getName(), family.name(), place.name()));
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
      String output = Files.readString(log);
      assertTrue(ended, "still there after " + MOST_SECONDS + " s: " + output);
      assertEquals(0, process.exitValue(), output);
      assertTrue(output.contains("device lost: "), output);
      assertTrue(output.endsWith("closed" + System.lineSeparator()), output);
    } finally {
      process.destroyForcibly();
    }
  }
}
