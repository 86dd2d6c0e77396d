package io.sailfish.bench.gpu;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import java.nio.file.Path;
import java.util.List;

/**
 * What a model says on a card that it cannot have: addresses that do not exist, too small a share
 * of the memory, memory that somebody else holds; and that it loads when nothing is wrong, with a
 * smaller batch where memory is short. Prints each message and fails if a word is missing.
 *
 * <pre>GpuRefusals MODEL.gguf</pre>
 */
public final class GpuRefusals {
  private static final String NO_SUCH_CARD = "GPU-00000000-0000-0000-0000-000000000000";

  private final Path model;
  private boolean failed;

  private GpuRefusals(Path model) {
    this.model = model;
  }

  public static void main(String[] args) {
    GpuRefusals check = new GpuRefusals(Path.of(args[0]));
    check.run();
    System.out.println(check.failed ? "FAILED" : "all as expected");
    System.exit(check.failed ? 1 : 0);
  }

  private void run() {
    refused("99", 0.5, List.of("no card 99", "GPU-"));
    refused(NO_SUCH_CARD, 0.5, List.of(NO_SUCH_CARD));
    refused(null, 1e-4, List.of("bytes free", "spark.sailfish.gpu.memoryFraction"));
    loads("0", 0.9);
    loads(null, 0.012);
    try (CudaDevice other = CudaDevice.open(0)) {
      long leave = 200L << 20;
      long taken = other.memory().freeBytes() - leave;
      try (DeviceBuffer held = other.memory().allocate(taken, "somebody else's")) {
        System.out.printf("%,d bytes held by another%n", held.bytes());
        refused(null, 0.9, List.of("nvidia-smi", "spark.sailfish.gpu.memoryFraction"));
      }
    }
    loads(null, 0.9);
  }

  private RuntimeConfig config(String card, double fraction) {
    return RuntimeConfig.defaults()
        .on(new BackendRequest("cuda", 0, card, fraction, TwoByteFloat.F16));
  }

  private void refused(String card, double fraction, List<String> words) {
    try (LlamaRuntime runtime = LlamaRuntimes.open(model, config(card, fraction))) {
      System.out.println("card " + card + ", " + fraction + ": loaded: " + runtime.info());
      failed = true;
    } catch (RuntimeFailure e) {
      System.out.println(
          "card " + card + ", " + fraction + ": " + e.kind() + ": " + e.getMessage());
      failed |= !words.stream().allMatch(e.getMessage()::contains);
    }
  }

  private void loads(String card, double fraction) {
    try (LlamaRuntime runtime = LlamaRuntimes.open(model, config(card, fraction))) {
      System.out.println("card " + card + ", " + fraction + ": " + runtime.info());
    } catch (RuntimeFailure e) {
      System.out.println("card " + card + ", " + fraction + ": " + e.getMessage());
      failed = true;
    }
  }
}
