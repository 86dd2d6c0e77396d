package io.sailfish.kernels.cuda;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The driver library. JCuda binds all that is needed but {@code cuLaunchKernelEx}, which carries
 * the launch attributes (programmatic dependent launch, clusters); that one is bound by JNA.
 */
final class CudaDriver {
  private static final String LIBRARY = "libcuda.so.1";

  /** A megabyte takes a moment; who keeps the lock longer hangs. */
  private static final Duration LONGEST_UNPACKING = Duration.ofSeconds(60);

  /** What the probe, which runs once, tells the driver beforehand. */
  private static volatile String wanted;

  /** Probed once: a driver that appears later needs a new process. */
  private static final class Probe {
    static final CudaAvailability RESULT = probe();
  }

  /** The binding, loaded only after the probe has found the library. */
  private static final class Launcher {
    static {
      Native.register(Launcher.class, NativeLibrary.getInstance(LIBRARY));
    }

    static native int cuLaunchKernelEx(long config, long function, long params, long extra);
  }

  private CudaDriver() {}

  static CudaAvailability availability() {
    return availability(null);
  }

  /**
   * @param card address of the card that is going to be opened, null for any
   */
  static CudaAvailability availability(String card) {
    wanted = card;
    return Probe.RESULT;
  }

  private static CudaAvailability probe() {
    String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (!system.equals("Linux amd64")) {
      return no("cards are used on Linux amd64 only, this is " + system);
    }
    try {
      // Asked for by itself first: JCuda's own failure does not tell a missing driver from the
      // rest.
      NativeLibrary.getInstance(LIBRARY).getFunction("cuLaunchKernelEx");
    } catch (UnsatisfiedLinkError e) {
      return no("no NVIDIA driver of CUDA 11.8 or later: " + LIBRARY + " is missing or too old");
    }
    try {
      loadJCuda();
      return count();
    } catch (LinkageError e) {
      return no("JCuda's native library does not load: " + e.getMessage());
    } catch (TimeoutException e) {
      return no("JCuda's native library cannot be unpacked: " + e.getMessage());
    }
  }

  /**
   * JCuda unpacks its library to one place for all processes of a host and loads what it finds
   * there, half written or not: executors that start at the same time would die of it. So those of
   * a user take turns.
   */
  private static void loadJCuda() throws TimeoutException {
    Path lock = unpackLock(System.getProperty("java.io.tmpdir"), System.getProperty("user.name"));
    HostTurns.take(lock, LONGEST_UNPACKING, () -> JCudaDriver.setExceptionsEnabled(false));
  }

  /** A file for each user, as one may not open another's for writing. */
  static Path unpackLock(String folder, String user) {
    String name = user.replaceAll("[^A-Za-z0-9._-]", "_");
    return Path.of(folder, "sailfish-jcuda-%s.lock".formatted(name));
  }

  private static CudaAvailability count() {
    CardAddress.beforeDriver(wanted);
    int code = JCudaDriver.cuInit(0);
    if (code != CUresult.CUDA_SUCCESS) {
      return no("cuInit: " + errorText(code));
    }
    int[] devices = new int[1];
    JCudaDriver.cuDeviceGetCount(devices);
    if (devices[0] == 0) {
      return no(
          "the NVIDIA driver shows this process no card (CUDA_VISIBLE_DEVICES=%s%s)"
              .formatted(
                  System.getenv("CUDA_VISIBLE_DEVICES"), wanted == null ? "" : ", card " + wanted));
    }
    int[] version = new int[1];
    JCudaDriver.cuDriverGetVersion(version);
    return new CudaAvailability(
        true,
        "%d device(s), driver for CUDA %d.%d"
            .formatted(devices[0], version[0] / 1000, version[0] % 1000 / 10));
  }

  private static CudaAvailability no(String reason) {
    return new CudaAvailability(false, reason);
  }

  /** Name and number of a CUresult. */
  static String errorText(int code) {
    return "%s (%d)".formatted(CUresult.stringFor(code), code);
  }

  /**
   * Queues one launch. {@code config} is a CUlaunchConfig, {@code params} an array of pointers to
   * the arguments; both are copied before the call returns.
   */
  static int launch(long config, long function, long params) {
    return Launcher.cuLaunchKernelEx(config, function, params, 0L);
  }
}
