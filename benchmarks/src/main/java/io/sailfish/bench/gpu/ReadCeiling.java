package io.sailfish.bench.gpu;

import io.sailfish.kernels.cuda.CudaEvent;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.MemoryProbe;

/** What plain loads reach on this card now: every share is a share of this. */
final class ReadCeiling {
  private static final int ROUNDS = 8;
  private static final int[] BLOCKS_PER_MULTIPROCESSOR = {4, 8, 16};

  private ReadCeiling() {}

  /** Best bytes per second over {@code memory}, which should be gigabytes of noise. */
  static double measure(CudaStream stream, DeviceBuffer memory, DeviceBuffer sink) {
    long bytes = memory.bytes() / 16 * 16;
    double best = Double.MAX_VALUE;
    try (CudaEvent start = stream.device().newEvent();
        CudaEvent end = stream.device().newEvent()) {
      for (int round = 0; round < ROUNDS; round++) {
        for (int blocks : BLOCKS_PER_MULTIPROCESSOR) {
          stream.record(start);
          MemoryProbe.read(stream, memory.address(), bytes, sink.address(), blocks);
          stream.record(end);
          end.synchronize();
          best = Math.min(best, end.microsSince(start));
        }
      }
    }
    return bytes / best * 1e6;
  }
}
