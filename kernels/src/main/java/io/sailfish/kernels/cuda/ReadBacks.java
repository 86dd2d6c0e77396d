package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Backend.ReadBack;
import java.util.Arrays;

/** Copies to the host that come back while later work runs. One thread. */
final class ReadBacks implements AutoCloseable {
  /**
   * Copies under way at a time; one that nobody awaited for so long is awaited with a later one.
   */
  private static final int EVENTS = 4;

  private final CudaEvent[] arrived = new CudaEvent[EVENTS];
  private int turn;

  ReadBacks(CudaDevice device) {
    Arrays.setAll(arrived, i -> device.newEvent());
  }

  /**
   * Queues a copy; {@code done} runs when it has arrived, as has all that was queued before.
   *
   * @param hostAddress page-locked, or the copy is not queued but made
   */
  ReadBack queue(CudaStream stream, long address, long hostAddress, long bytes, Runnable done) {
    CudaEvent event = arrived[turn];
    turn = (turn + 1) % EVENTS;
    if (bytes > 0) {
      stream.download(address, hostAddress, bytes);
    }
    stream.record(event);
    return () -> {
      event.synchronize();
      done.run();
    };
  }

  @Override
  public void close() {
    for (CudaEvent event : arrived) {
      event.close();
    }
  }
}
