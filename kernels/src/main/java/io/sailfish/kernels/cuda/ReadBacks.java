package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Backend.ReadBack;
import java.nio.IntBuffer;

/**
 * Integers that come back from the card while later work runs: a few page-locked places that take
 * turns, so that what is not fetched before as many others were queued is lost. One thread.
 */
final class ReadBacks implements AutoCloseable {
  /** Copies under way at a time. */
  private static final int PLACES = 3;

  private final CudaDevice device;
  private final int capacity;
  private final Place[] places = new Place[PLACES];
  private int turn;

  /**
   * @param capacity most integers of a copy
   */
  ReadBacks(CudaDevice device, int capacity) {
    this.device = device;
    this.capacity = capacity;
    for (int i = 0; i < PLACES; i++) {
      places[i] = new Place();
    }
  }

  /** Queues a copy; {@code done} runs when it has arrived, as has all that was queued before. */
  ReadBack queue(CudaStream stream, long address, int count, Runnable done) {
    Arguments.inRange("readBack", "count", 0, capacity, count);
    Place place = places[turn];
    turn = (turn + 1) % PLACES;
    if (place.count >= 0) {
      place.event.synchronize(); // nobody came for it
    }
    if (count > 0) {
      stream.download(address, place.memory.buffer().clear().limit(count * Integer.BYTES));
    }
    stream.record(place.event);
    place.count = count;
    return () -> {
      place.event.synchronize();
      int[] values = new int[place.count];
      IntBuffer ints = place.memory.buffer().clear().asIntBuffer();
      ints.get(values);
      place.count = -1;
      done.run();
      return values;
    };
  }

  @Override
  public void close() {
    for (Place place : places) {
      place.memory.close();
      place.event.close();
    }
  }

  private final class Place {
    final PinnedMemory memory = device.pinned(capacity * Integer.BYTES, "tokens read back");
    final CudaEvent event = device.newEvent();

    /** Integers under way, -1 for nothing. */
    int count = -1;
  }
}
