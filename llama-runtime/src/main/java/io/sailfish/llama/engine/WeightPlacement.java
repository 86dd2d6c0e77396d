package io.sailfish.llama.engine;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.LayerSizes;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.StreamedLayers;
import io.sailfish.llama.model.WeightSizes;
import java.util.Locale;
import java.util.Optional;
import java.util.function.IntToLongFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides before a model is loaded which of its layers stay on the host: none where the device has
 * room for all weights, one context and a step of one row; otherwise as few as leave room for a
 * batch, since all rows of a step share the weights that come for it.
 */
final class WeightPlacement {
  static final String STREAMING_KEY = "spark.sailfish.gpu.streaming";
  private static final Logger LOG = LoggerFactory.getLogger(WeightPlacement.class);
  private static final String OFF = "off";

  /** Rows that layers make room for before anything is streamed for want of it. */
  private static final int ROWS = 32;

  /** A layer has four matrices, so one is computed while the next one comes. */
  private static final int PLACES = 4;

  /** One matrix comes while another is multiplied. */
  private static final int FEWEST_PLACES = 2;

  /** Matrices are padded to tiles. */
  private static final int TILE = 128;

  /** Memory comes in size classes. */
  private static final double ROUNDING = 1.2;

  /** Tables, and what a piece of memory is larger than what was asked for. */
  private static final long SMALL_BYTES = 4 << 20;

  private WeightPlacement() {}

  /**
   * @throws RuntimeFailure with USER when device and host together have no room
   */
  static StreamedLayers of(
      Checkpoint checkpoint, Backend backend, RuntimeConfig runtime, StepMemory steps) {
    WeightStreaming streaming = backend.streaming().orElse(null);
    ModelConfig model = checkpoint.config();
    boolean off = OFF.equals(runtime.streaming()) || streaming == null;
    long device = off ? 0 : streaming.deviceBytes() - small(model);
    if (off || dense(model) <= device - steps.bytes(1)) {
      return StreamedLayers.NONE;
    }
    WeightSizes sizes = WeightSizes.of(checkpoint, backend);
    int most = runtime.batchCap() > 0 ? Math.min(ROWS, runtime.batchCap()) : ROWS;
    StreamedLayers layers =
        choose(
                sizes,
                most,
                rows -> device - steps.bytes(rows),
                places -> streaming.placesBytes(sizes.largest(), places))
            .orElseThrow(
                () ->
                    refused(
                        "%s: %,d bytes of the device are this process's; with all layers streamed"
                                .formatted(model.name(), device)
                            + " embedding and head take %,d, layers on their way %,d, a step of one"
                                .formatted(
                                    sizes.vocabulary(),
                                    streaming.placesBytes(sizes.largest(), FEWEST_PLACES))
                            + " row and one context %,d; lower %s or raise %s"
                                .formatted(
                                    steps.bytes(1),
                                    KvSizing.CONTEXT_KEY,
                                    StepMemory.FRACTION_KEY)));
    long onHost = sizes.streamed(layers);
    if (onHost > streaming.hostBytes()) {
      throw refused(
          "%s is larger than the device: %,d bytes of its weights would stay in page-locked memory"
                  .formatted(model.name(), onHost)
              + " of the host, which has %,d for them; give the host more, or raise %s"
                  .formatted(streaming.hostBytes(), StepMemory.FRACTION_KEY));
    }
    return layers;
  }

  /**
   * @param most rows that are wished for
   * @param room for weights beside steps of so many rows
   * @param placesBytes what so many places take
   */
  static Optional<StreamedLayers> choose(
      WeightSizes sizes, int most, IntToLongFunction room, IntToLongFunction placesBytes) {
    if (sizes.total() <= room.applyAsLong(1)) {
      return Optional.of(StreamedLayers.NONE);
    }
    for (int rows = most; rows >= 1; rows /= 2) {
      for (int places = PLACES; places >= FEWEST_PLACES; places /= 2) {
        long taken = placesBytes.applyAsLong(places);
        Optional<StreamedLayers> layers = sizes.fitting(room.applyAsLong(rows), places, taken);
        if (layers.isPresent()) {
          return layers;
        }
      }
    }
    return Optional.empty();
  }

  /** Says what streaming costs; measures it. */
  static void announce(ModelConfig model, Backend backend, StreamedLayers layers) {
    if (layers.count() == 0) {
      return;
    }
    WeightStreaming streaming = backend.streaming().orElseThrow();
    LOG.warn(
        String.format(
            Locale.ROOT,
            "%s is larger than what this process may take of the device: %d of %d layers, %d MiB,"
                + " stay in page-locked memory of the host and come to the device in every step; at"
                + " the measured %.1f GB/s a step takes at least %.1f ms, whatever its rows, so"
                + " large batches pay; %s=off refuses such models",
            model.name(),
            layers.count(),
            model.layers(),
            streaming.streamedBytes() >> 20,
            streaming.bytesPerSecond() / 1e9,
            streaming.stepNanos() / 1e6,
            STREAMING_KEY));
  }

  /** What the matrices take at most: two bytes a weight. Where that fits, nothing is looked at. */
  private static long dense(ModelConfig model) {
    long outputs = (model.tiedEmbeddings() ? 1L : 2L) * padded(model.vocabulary());
    for (int i = 0; i < model.layers(); i++) {
      LayerSizes sizes = model.sizes(i);
      outputs += padded(model.attention().qkvCols()) + padded(model.attention().qCols());
      outputs += 3 * padded(sizes.inner());
    }
    return (long) (ROUNDING * Short.BYTES * outputs * padded(model.hidden()));
  }

  private static long padded(int size) {
    return (size + TILE - 1L) / TILE * TILE;
  }

  /** Norms, biases and orders of inputs, which are many small pieces of memory. */
  static long small(ModelConfig model) {
    int cols = 6 * model.hidden() + model.attention().qkvCols() + model.inner();
    return SMALL_BYTES + (long) model.layers() * Float.BYTES * cols;
  }

  private static RuntimeFailure refused(String message) {
    return new RuntimeFailure(Kind.USER, message, null);
  }
}
