package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.WeightPacker;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.StreamedLayers;
import io.sailfish.llama.model.WeightSizes;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class WeightPlacementTest {
  private static final WeightSizes SIZES = new WeightSizes(100, new long[] {50, 50, 50, 50}, 20);

  @Test
  void nothingIsStreamedWhereOneRowHasRoom() {
    assertEquals(0, choose(310, rows -> rows * 10), "though a larger batch has not");
  }

  @Test
  void otherwiseAsFewAsLeaveRoomForABatch() {
    // Four places of 10; without one, two layers 250 + 40, 200 + 40 are left.
    assertEquals(1, choose(290, rows -> 0));
    assertEquals(2, choose(289, rows -> 0));
    assertEquals(2, choose(290, rows -> 50 * rows / 32), "a batch of 32 has room first");
    assertEquals(4, choose(150, rows -> 10 * rows), "or a smaller one");
    assertEquals(4, choose(120, rows -> 0), "with two places at last");
  }

  @Test
  void whatHasNoRoomWithoutAnyLayerHasNone() {
    assertTrue(
        WeightPlacement.choose(SIZES, 32, rows -> 119, places -> 10 * places).isEmpty(),
        "119 bytes for 100 and two places");
  }

  private static int choose(long device, java.util.function.IntToLongFunction steps) {
    return WeightPlacement.choose(SIZES, 32, rows -> device - steps.applyAsLong(rows), p -> 10 * p)
        .orElseThrow()
        .count();
  }

  @Test
  void streamedLayersLieApart() {
    assertEquals(List.of(3, 7), layers(2, 8));
    assertEquals(List.of(2, 5, 7), layers(3, 8));
    assertEquals(List.of(0, 1, 2), layers(3, 3));
    assertEquals(List.of(), layers(0, 3));
  }

  private static List<Integer> layers(int count, int of) {
    StreamedLayers streamed = new StreamedLayers(count, 1, 4);
    List<Integer> chosen = new ArrayList<>();
    for (int i = 0; i < of; i++) {
      if (streamed.contains(i, of)) {
        chosen.add(i);
      }
    }
    return chosen;
  }

  /** A device with so many bytes, and a host that notes what is packed for streaming. */
  private static final class Device implements WeightStreaming {
    private final CpuBackend cpu = CpuBackend.reference();
    private final List<String> streamed = new ArrayList<>();
    private final long deviceBytes;
    private final long hostBytes;

    Device(long deviceBytes, long hostBytes) {
      this.deviceBytes = deviceBytes;
      this.hostBytes = hostBytes;
    }

    Backend backend() {
      return (Backend)
          Proxy.newProxyInstance(
              Backend.class.getClassLoader(),
              new Class<?>[] {Backend.class},
              (proxy, method, arguments) -> {
                if (method.getName().equals("streaming")) {
                  return Optional.of(this);
                }
                try {
                  return method.invoke(cpu, arguments);
                } catch (InvocationTargetException e) {
                  throw e.getCause();
                }
              });
    }

    @Override
    public long bytes(List<WeightSource> parts) {
      return parts.stream().mapToLong(part -> (long) part.rows() * part.cols()).sum();
    }

    @Override
    public long vocabularyBytes(int rows, int cols) {
      return (long) rows * cols;
    }

    @Override
    public long bytes(PackedForm form) {
      return form.bytes();
    }

    @Override
    public long deviceBytes() {
      return deviceBytes;
    }

    @Override
    public long hostBytes() {
      return hostBytes;
    }

    @Override
    public long placesBytes(long largestBytes, int places) {
      return places * largestBytes / 2;
    }

    @Override
    public WeightPacker packer(long largestBytes, int places) {
      return (name, parts) -> {
        streamed.add(name);
        return cpu.weight(name, parts);
      };
    }

    @Override
    public long streamedBytes() {
      return 0;
    }

    @Override
    public double bytesPerSecond() {
      return 1;
    }
  }

  @Test
  void aModelThatIsTooLargeIsLoadedWithLayersOnTheHost() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      long steps = needed(checkpoint);
      WeightSizes sizes = WeightSizes.of(checkpoint, new Device(0, 0).backend());
      assertEquals(checkpoint.config().layers(), sizes.layers().length);
      long room = sizes.total() - sizes.layers()[0] + 2 * sizes.largest();
      Device device = new Device(steps + room, 1L << 30);
      StreamedLayers layers = place(checkpoint, device, RuntimeConfig.defaults());
      assertEquals(1, layers.count());
      LlamaWeights weights = LlamaWeights.load(checkpoint, device.backend(), layers);
      assertEquals(checkpoint.config().layers(), weights.layers().size());
      assertEquals(4, device.streamed.size(), device.streamed::toString);
      assertTrue(
          device.streamed.stream()
              .allMatch(name -> name.contains("." + (checkpoint.config().layers() - 1) + ".")),
          device.streamed::toString);
    }
  }

  @Test
  void switchedOffNothingIsStreamed() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      RuntimeConfig off = RuntimeConfig.defaults().withStreaming("off");
      assertEquals(StreamedLayers.NONE, place(checkpoint, new Device(1, 1L << 30), off));
    }
  }

  @Test
  void aHostThatIsTooSmallIsToldWithTheNumbers() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      long steps = needed(checkpoint);
      WeightSizes sizes = WeightSizes.of(checkpoint, new Device(0, 0).backend());
      long room = sizes.vocabulary() + 2 * sizes.largest();
      String host = refusal(checkpoint, new Device(steps + room, 1000));
      assertTrue(host.contains("page-locked") && host.contains("1,000"), host);
      long less = sizes.vocabulary() + sizes.largest() - 1;
      String device = refusal(checkpoint, new Device(steps + less, 1000));
      assertTrue(device.contains("%,d".formatted(sizes.vocabulary())), device);
      assertTrue(device.contains(StepMemory.FRACTION_KEY), device);
    }
  }

  private static String refusal(Checkpoint checkpoint, Device device) {
    RuntimeFailure failure =
        assertThrows(
            RuntimeFailure.class, () -> place(checkpoint, device, RuntimeConfig.defaults()));
    assertEquals(RuntimeFailure.Kind.USER, failure.kind());
    return failure.getMessage();
  }

  private static StreamedLayers place(Checkpoint checkpoint, Device device, RuntimeConfig runtime) {
    return WeightPlacement.of(checkpoint, device.backend(), runtime, steps(checkpoint, runtime));
  }

  /** Without the large matrices. */
  private static long needed(Checkpoint checkpoint) {
    return WeightPlacement.small(checkpoint.config())
        + steps(checkpoint, RuntimeConfig.defaults()).bytes(1);
  }

  private static StepMemory steps(Checkpoint checkpoint, RuntimeConfig runtime) {
    return new StepMemory(checkpoint.config(), CpuBackend.reference(), runtime, Set.of());
  }
}
