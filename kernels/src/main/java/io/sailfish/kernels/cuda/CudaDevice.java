package io.sailfish.kernels.cuda;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One card, through its primary context. Owns the device code, the memory pool and the latch of
 * fatal errors; streams, graphs and events belong to whoever makes them and are closed before the
 * device.
 */
public final class CudaDevice implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CudaDevice.class);
  private static final AtomicBoolean SAID_PLAIN = new AtomicBoolean();

  private final CUdevice handle = new CUdevice();
  private final CUcontext context = new CUcontext();
  private final DeviceFaults faults = new DeviceFaults();
  private final CudaProperties properties;
  private final CudaModules modules;
  private final CudaMemory memory;
  private final boolean syncLaunches;
  private boolean locksPages = true;

  private CudaDevice(int ordinal, boolean syncLaunches) {
    this.syncLaunches = syncLaunches;
    faults.check(JCudaDriver.cuDeviceGet(handle, ordinal), "cuDeviceGet(" + ordinal + ")");
    faults.check(JCudaDriver.cuDevicePrimaryCtxRetain(context, handle), "cuDevicePrimaryCtxRetain");
    makeCurrent();
    properties = readProperties();
    modules = new CudaModules(faults);
    memory = new CudaMemory(new DriverAllocator(faults));
  }

  /** Whether this process can use a card, and why not. Asks the driver once. */
  public static CudaAvailability availability() {
    return CudaDriver.availability();
  }

  /** Cards that this process sees; 0 where none can be used. */
  public static int count() {
    int[] count = new int[1];
    if (availability().available()) {
      new DeviceFaults().check(JCudaDriver.cuDeviceGetCount(count), "cuDeviceGetCount");
    }
    return count[0];
  }

  /** Opens a card by its number and makes it current for this thread. */
  public static CudaDevice open(int ordinal) {
    return open(ordinal, false);
  }

  /**
   * Opens a card.
   *
   * @param syncLaunches wait after every launch, so that a fault names its one kernel; slow
   * @throws CudaException when there is no such card, with the reason of {@link #availability}
   */
  public static CudaDevice open(int ordinal, boolean syncLaunches) {
    CudaAvailability availability = availability();
    if (!availability.available()) {
      throw new CudaException("no CUDA device: " + availability.reason());
    }
    return new CudaDevice(ordinal, syncLaunches);
  }

  /** Ten times the major version plus the minor one, without opening the card. */
  static int computeCapability(int ordinal) {
    DeviceFaults faults = new DeviceFaults();
    CUdevice device = new CUdevice();
    faults.check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet(" + ordinal + ")");
    int[] major = new int[1];
    int[] minor = new int[1];
    faults.check(
        JCudaDriver.cuDeviceGetAttribute(
            major, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
        "cuDeviceGetAttribute");
    faults.check(
        JCudaDriver.cuDeviceGetAttribute(
            minor, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
        "cuDeviceGetAttribute");
    return major[0] * 10 + minor[0];
  }

  /** Every thread that uses the device calls this first. */
  public void makeCurrent() {
    faults.check(JCudaDriver.cuCtxSetCurrent(context), "cuCtxSetCurrent");
  }

  public CudaProperties properties() {
    return properties;
  }

  public CudaModules modules() {
    return modules;
  }

  public CudaMemory memory() {
    return memory;
  }

  public CudaStream newStream() {
    return new CudaStream(this, faults);
  }

  public CudaEvent newEvent() {
    return new CudaEvent(faults);
  }

  /** Page-locked host memory, or plain memory where the host locks no more, which is said once. */
  public PinnedMemory pinned(int bytes, String purpose) {
    PinnedMemory memory = locksPages ? PinnedMemory.lock(faults, bytes, purpose) : null;
    if (memory != null) {
      return memory;
    }
    if (SAID_PLAIN.compareAndSet(false, true)) {
      LOG.warn(
          "the host refused to page-lock {} bytes for {} (ulimit -l, the container's memory): copies"
              + " to and from the card go through plain memory, which is slower",
          bytes,
          purpose);
    }
    return PinnedMemory.plain(faults, bytes, purpose);
  }

  /**
   * Page-locked host memory and nothing else.
   *
   * @throws CudaException when the host refuses
   */
  PinnedMemory pageLocked(int bytes, String purpose) {
    PinnedMemory memory = locksPages ? PinnedMemory.lock(faults, bytes, purpose) : null;
    if (memory == null) {
      throw new CudaException(
          "page-locked memory for %s: the host refused %,d bytes (ulimit -l, the container's memory)"
              .formatted(purpose, bytes));
    }
    return memory;
  }

  /** Makes the host one that locks no pages. For tests. */
  public void lockNoPages() {
    locksPages = false;
  }

  /** Whether a kernel has poisoned the context; only a new process helps then. */
  public boolean lost() {
    return faults.lost();
  }

  boolean syncLaunches() {
    return syncLaunches;
  }

  private CudaProperties readProperties() {
    byte[] name = new byte[256];
    faults.check(JCudaDriver.cuDeviceGetName(name, name.length, handle), "cuDeviceGetName");
    long[] free = new long[1];
    long[] total = new long[1];
    faults.check(JCudaDriver.cuMemGetInfo(free, total), "cuMemGetInfo");
    return new CudaProperties(
        new String(name, StandardCharsets.US_ASCII).split("\0", 2)[0],
        attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) * 10
            + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
        attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        total[0],
        2e3
            * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)
            * (attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) / 8));
  }

  private int attribute(int id) {
    int[] value = new int[1];
    faults.check(
        JCudaDriver.cuDeviceGetAttribute(value, id, handle),
        "cuDeviceGetAttribute(" + CUdevice_attribute.stringFor(id) + ")");
    return value[0];
  }

  /** Frees all device memory and lets go of the context. */
  @Override
  public void close() {
    if (!faults.lost()) {
      makeCurrent();
    }
    memory.close();
    modules.close();
    if (!faults.lost()) {
      faults.check(JCudaDriver.cuDevicePrimaryCtxRelease(handle), "cuDevicePrimaryCtxRelease");
    }
  }
}
