package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Stored tensors of one module of a quantised folder, and what its readers share. */
final class QuantizedFolder {
  static final List<StoredTensor.Type> INT32 = List.of(StoredTensor.Type.I32);
  static final List<StoredTensor.Type> FLOATS =
      List.of(StoredTensor.Type.F16, StoredTensor.Type.BF16, StoredTensor.Type.F32);

  private final Map<String, StoredTensor> tensors;

  QuantizedFolder(Map<String, StoredTensor> tensors) {
    this.tensors = tensors;
  }

  /** Name of the module of a weight: without {@code .weight}. */
  static String module(String weight) {
    return weight.substring(0, weight.length() - "weight".length());
  }

  /** A module's tensor, or null. */
  StoredTensor optional(String module, String part, Set<String> used) {
    StoredTensor tensor = tensors.get(module + part);
    if (tensor != null) {
      used.add(tensor.name());
    }
    return tensor;
  }

  /** A tensor that the module's {@code first} one does not go without. */
  StoredTensor need(String module, String part, Set<String> used, StoredTensor first) {
    StoredTensor tensor = optional(module, part, used);
    if (tensor == null) {
      throw first.fail("without " + module + part, "both are needed");
    }
    return tensor;
  }

  /** Inputs that share a scale; a field of -1 or a whole channel means all. */
  static int groupSize(JsonFields config, String key, TensorShapes.Shape shape, StoredTensor at) {
    int stated = config.integer(key, -1, 1 << 24, -1);
    int size = stated <= 0 ? shape.cols() : stated;
    if (size % GroupBlocks.LENGTH != 0 || shape.cols() % size != 0) {
      throw at.fail(
          "%s %d with %d inputs".formatted(key, stated, shape.cols()),
          "must be a multiple of %d that divides the inputs".formatted(GroupBlocks.LENGTH));
    }
    return size;
  }

  /** The integer format of a configured number of bits. */
  static QuantFormat integers(JsonFields config, String key) {
    QuantFormat format = GroupBlocks.integers(config.integer(key, 0, 64));
    if (format == null) {
      throw config.fail(key, config.value(key), "2, 3, 4 and 8 are read");
    }
    return format;
  }

  /** Bits [first, first + bits) of a stream of little-endian words that starts at word 0. */
  static int bits(ByteBuffer words, int base, long first, int bits, int stride) {
    int word = (int) (first / 32);
    int shift = (int) (first % 32);
    int value = words.getInt(base + 4 * word * stride) >>> shift;
    if (shift + bits > 32) {
      value |= words.getInt(base + 4 * (word + 1) * stride) << 32 - shift;
    }
    return value & (1 << bits) - 1;
  }

  /** All of a tensor of scales as floats; refuses those that are no numbers. */
  static float[] scales(StoredTensor tensor) {
    ByteBuffer stored = tensor.readAll();
    float[] scales = new float[Math.toIntExact(tensor.bytes() / tensor.type().bytes)];
    tensor.type().format.codec().decode(stored, 0, scales, 0, scales.length);
    for (int i = 0; i < scales.length; i++) {
      if (!Float.isFinite(scales[i])) {
        throw tensor.fail("element %d = %s".formatted(i, scales[i]), "scales must be numbers");
      }
    }
    return scales;
  }

  /** Refuses fields that would change what the stored numbers mean. */
  static RuntimeFailure unsupported(JsonFields config, String key, String read) {
    return config.fail(key, config.value(key), read);
  }
}
