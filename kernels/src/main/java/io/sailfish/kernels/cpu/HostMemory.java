package io.sailfish.kernels.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the host and the JVM's limits leave for off-heap memory. */
public final class HostMemory {
  /** Index of the first word of an array at a cache line, if the array starts a region of G1. */
  static final int ALIGNED = 12;

  private HostMemory() {}

  /** The smaller of what the JVM lets direct buffers take and what the machine has available. */
  static long freeBytes() {
    return Math.max(0, Math.min(freeDirectBytes(), availableBytes()));
  }

  static long freeDirectBytes() {
    long used = 0;
    for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
      if (pool.getName().equals("direct")) {
        used = pool.getTotalCapacity();
      }
    }
    return directLimit() - used;
  }

  /** {@code -XX:MaxDirectMemorySize}; without it HotSpot takes the largest heap. */
  static long directLimit() {
    HotSpotDiagnosticMXBean hotspot =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    long limit = Long.parseLong(hotspot.getVMOption("MaxDirectMemorySize").getValue());
    return limit > 0 ? limit : Runtime.getRuntime().maxMemory();
  }

  /**
   * Floats of the smallest array that G1 puts at the start of regions of its own and never moves;
   * zero under another collector.
   */
  static int immovableFloats() {
    return Math.toIntExact(regionBytes() / 2 / Float.BYTES);
  }

  /** Bytes in a region of G1; zero under another collector. */
  static long regionBytes() {
    HotSpotDiagnosticMXBean hotspot =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    if (!Boolean.parseBoolean(hotspot.getVMOption("UseG1GC").getValue())) {
      return 0;
    }
    return Long.parseLong(hotspot.getVMOption("G1HeapRegionSize").getValue());
  }

  /** What the machine, or its container, has available. */
  public static long availableBytes() {
    var system =
        (OperatingSystemMXBean)
            ManagementFactory.getPlatformMXBean(java.lang.management.OperatingSystemMXBean.class);
    // In a container the bean knows the container's limit; the page cache counts as free only for
    // the kernel's own estimate, which knows nothing of containers.
    long free = system.getFreeMemorySize();
    long kernel = kernelEstimate();
    return kernel < 0 ? free : Math.min(Math.max(kernel, free), system.getTotalMemorySize());
  }

  private static long kernelEstimate() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
        if (line.startsWith("MemAvailable:")) {
          return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
        }
      }
    } catch (IOException e) {
      return -1; // not Linux
    }
    return -1;
  }
}
