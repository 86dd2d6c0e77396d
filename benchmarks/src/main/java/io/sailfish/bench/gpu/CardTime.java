package io.sailfish.bench.gpu;

import io.sailfish.kernels.cuda.CudaEvent;
import io.sailfish.kernels.cuda.CudaStream;

/** Microseconds between events on a card's stream, ahead of some work and behind it. */
final class CardTime {
  private CardTime() {}

  static double micros(CudaStream stream, Runnable work) {
    return each(stream, 0, 1, work)[0];
  }

  /** Of each of {@code count} times; {@code warmUp} others go ahead. */
  static double[] each(CudaStream stream, int warmUp, int count, Runnable work) {
    double[] micros = new double[count];
    try (CudaEvent start = stream.device().newEvent();
        CudaEvent end = stream.device().newEvent()) {
      for (int i = -warmUp; i < count; i++) {
        stream.record(start);
        work.run();
        stream.record(end);
        end.synchronize();
        if (i >= 0) {
          micros[i] = end.microsSince(start);
        }
      }
    }
    return micros;
  }
}
