package io.sailfish.kernels.cuda;

import io.sailfish.kernels.WeightPacker;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.cpu.HostMemory;
import io.sailfish.kernels.format.packed.PackedForm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Weights in page-locked memory of the host, copied on a stream of their own to a few places on the
 * card by turns: each goes to its place once the product that used the place last is done, and its
 * own product waits for it. All of that are events, so a step that is recorded brings its copies
 * along.
 *
 * <p>A pass uses the weights in their order. {@link #begin} fills the places, and each product that
 * is queued sends the next weight to its own. What was sent and is not used, because a pass ended
 * early or took another order, costs its copy and nothing else.
 */
final class WeightStream implements WeightStreaming, WeightHome, AutoCloseable {
  private static final int NONE = -1;

  /** Of the host's available memory: the rest is for its page cache and everybody else. */
  private static final double SHARE_OF_HOST = 0.8;

  /** Bytes after which the speed is known. */
  private static final long MEASURED = 512L << 20;

  private final CudaBackend backend;
  private final CudaStream copies;
  private final CudaEvent begun;
  private Place[] places = {};
  private final List<PinnedMemory> weights = new ArrayList<>();
  private DeviceBuffer memory;
  private long placeBytes;
  private long bytes;
  private double bytesPerSecond;

  /** The weight that is sent next. */
  private int next;

  private final class Place {
    final CudaEvent arrived = copies.device().newEvent();
    final CudaEvent used = copies.device().newEvent();

    /** The weight that is here or on its way and was not used yet. */
    int weight = NONE;
  }

  WeightStream(CudaBackend backend) {
    this.backend = backend;
    CudaDevice device = backend.stream().device();
    copies = device.newStream();
    begun = device.newEvent();
  }

  @Override
  public long bytes(List<WeightSource> parts) {
    return CudaMemory.sizeClass(CudaWeights.bytes(parts));
  }

  @Override
  public long vocabularyBytes(int rows, int cols) {
    return CudaMemory.sizeClass(DenseMatrix.bytes(rows, cols));
  }

  @Override
  public long bytes(PackedForm form) {
    return CudaMemory.sizeClass(form.bytes());
  }

  @Override
  public long deviceBytes() {
    return copies.device().memory().grantedBytes();
  }

  @Override
  public long hostBytes() {
    return (long) (HostMemory.availableBytes() * SHARE_OF_HOST);
  }

  @Override
  public long placesBytes(long largestBytes, int places) {
    return CudaMemory.sizeClass(places * CudaMemory.sizeClass(largestBytes));
  }

  @Override
  public WeightPacker packer(long largestBytes, int placeCount) {
    Arguments.atLeast("streaming of weights", "places", 2, placeCount);
    if (memory != null) {
      throw new IllegalStateException("the streamed weights of this backend have their packer");
    }
    placeBytes = CudaMemory.sizeClass(largestBytes);
    memory = backend.scope().allocate(placeCount * placeBytes, "weights that are streamed");
    places = new Place[placeCount];
    Arrays.setAll(places, i -> new Place());
    return new CudaWeights(backend, this);
  }

  private long address(int weight) {
    return memory.address() + weight % places.length * placeBytes;
  }

  @Override
  public long place(long bytes, String name) {
    Arguments.inRange("weight " + name, "bytes", 1, placeBytes, bytes);
    return address(weights.size());
  }

  @Override
  public long keep(long bytes, String name) {
    return backend.scope().allocate(bytes, name).address();
  }

  /** Takes the weight back to the host: what steps bring is what was packed on the card. */
  @Override
  public CudaWeight use(CudaWeight packed) {
    PinnedMemory host = copies.device().pageLocked(Math.toIntExact(packed.bytes()), packed.name());
    backend.stream().download(address(weights.size()), host.buffer().clear());
    weights.add(host);
    bytes += packed.bytes();
    return new StreamedWeight(packed, this, weights.size() - 1);
  }

  @Override
  public long streamedBytes() {
    return bytes;
  }

  @Override
  public double bytesPerSecond() {
    if (bytesPerSecond == 0 && !weights.isEmpty()) {
      bytesPerSecond = measure();
    }
    return bytesPerSecond;
  }

  /** How much comes, how fast, and how long that takes; once all weights are there. */
  String describe() {
    return String.format(
        Locale.ROOT,
        "%,d MiB of weights streamed from the host at %.1f GB/s, %.1f ms a step whatever its rows",
        bytes >> 20,
        bytesPerSecond() / 1e9,
        stepNanos() / 1e6);
  }

  private double measure() {
    try (CudaEvent start = copies.device().newEvent();
        CudaEvent end = copies.device().newEvent()) {
      restart(backend.stream(), 0);
      copies.record(start);
      long sent = 0;
      while (next < weights.size() && sent < MEASURED) {
        sent += weights.get(next).buffer().capacity();
        send();
      }
      copies.record(end);
      end.synchronize();
      double micros = end.microsSince(start);
      settle(backend.stream());
      return sent * 1e6 / micros;
    }
  }

  /** A pass begins on {@code stream}. */
  void begin(CudaStream stream) {
    if (!weights.isEmpty()) {
      settle(stream);
      restart(stream, 0);
      sendFirst();
    }
  }

  /** Lets {@code stream} wait until nothing is on its way, as before recorded work. */
  void settle(CudaStream stream) {
    for (Place place : places) {
      if (place.weight != NONE) {
        stream.await(place.arrived);
        place.weight = NONE;
      }
    }
  }

  /** Queues {@code stream}'s wait for a weight. */
  CudaWeight arrive(CudaStream stream, StreamedWeight weight) {
    Place place = places[weight.number() % places.length];
    if (place.weight != weight.number()) {
      settle(stream);
      restart(stream, weight.number());
      sendFirst();
    }
    stream.await(place.arrived);
    place.weight = NONE;
    return weight.there();
  }

  /** Says that the product of an arrived weight is queued, so that its place is the next one's. */
  void used(CudaStream stream, StreamedWeight weight) {
    if (next < weights.size() && next % places.length == weight.number() % places.length) {
      Place place = places[weight.number() % places.length];
      stream.record(place.used);
      copies.await(place.used);
      send();
    }
  }

  /** Further copies wait for what {@code stream} has queued. */
  private void restart(CudaStream stream, int weight) {
    stream.record(begun);
    copies.await(begun);
    next = weight;
  }

  private void sendFirst() {
    for (int i = 0; i < places.length && next < weights.size(); i++) {
      send();
    }
  }

  private void send() {
    Place place = places[next % places.length];
    copies.upload(weights.get(next).buffer().clear(), address(next));
    copies.record(place.arrived);
    place.weight = next++;
  }

  @Override
  public void close() {
    if (!copies.device().lost()) {
      copies.synchronize();
    }
    weights.forEach(PinnedMemory::close);
    begun.close();
    for (Place place : places) {
      place.arrived.close();
      place.used.close();
    }
    copies.close();
  }
}
