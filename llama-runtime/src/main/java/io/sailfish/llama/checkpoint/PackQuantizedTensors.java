package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * compressed-tensors of format pack-quantized: for a module of N outputs and K inputs
 *
 * <pre>
 * weight_packed     I32 [N, ceil(K·b/32)]  row: a stream of b-bit codes, lowest bits first
 * weight_scale      [N, K/g] or [N, 1]     F16, BF16 or F32
 * weight_zero_point I32 [ceil(N·b/32), K/g] column: a stream over the outputs; only when asymmetric
 * weight_shape      I32 or I64 [2]         N, K
 * weight_g_idx      I32 [K]                group of each input; only with activation ordering
 * </pre>
 *
 * Codes and zero points are signed numbers plus 2^(b-1). Modules that are ignored keep a dense
 * weight.
 */
final class PackQuantizedTensors implements QuantizedTensors {
  private static final String FORMAT = "pack-quantized";

  private final QuantizedFolder folder;
  private final JsonFields weights;
  private final QuantFormat format;
  private final int bits;
  private final boolean symmetric;

  PackQuantizedTensors(JsonFields config, Map<String, StoredTensor> tensors) {
    this.folder = new QuantizedFolder(tensors);
    if (!config.text("format").equals(FORMAT)) {
      throw QuantizedFolder.unsupported(config, "format", FORMAT + " is read");
    }
    if (config.has("kv_cache_scheme")) {
      throw QuantizedFolder.unsupported(config, "kv_cache_scheme", "null is read");
    }
    JsonFields groups = config.object("config_groups");
    this.weights = onlyWeights(groups);
    this.format = QuantizedFolder.integers(weights, "num_bits");
    this.bits = weights.integer("num_bits", 2, 8);
    this.symmetric = weights.flag("symmetric", true);
    if (!weights.text("type", "int").equals("int")) {
      throw QuantizedFolder.unsupported(weights, "type", "int is read");
    }
    if (!List.of("group", "channel").contains(weights.text("strategy"))) {
      throw QuantizedFolder.unsupported(weights, "strategy", "group and channel are read");
    }
  }

  private static JsonFields onlyWeights(JsonFields groups) {
    JsonFields only = null;
    for (String name : groups.keys()) {
      JsonFields group = groups.object(name);
      if (only != null) {
        throw groups.fail(name, group.value("weights"), "one group of settings is read");
      }
      if (group.has("input_activations") || group.has("output_activations")) {
        throw group.fail(
            "input_activations",
            group.value("input_activations"),
            "quantised weights alone are run");
      }
      JsonNode format = group.value("format");
      if (format.isTextual() && !format.textValue().equals(FORMAT)) {
        throw QuantizedFolder.unsupported(group, "format", FORMAT + " is read");
      }
      only = group.object("weights");
    }
    if (only == null) {
      throw groups.fail("group_0", null, "one group of settings is read");
    }
    return only;
  }

  @Override
  public WeightSource source(String name, TensorShapes.Shape shape, Set<String> used) {
    String module = QuantizedFolder.module(name);
    StoredTensor codes = folder.optional(module, "weight_packed", used);
    if (codes == null) {
      return null;
    }
    int k = shape.cols();
    int n = shape.rows();
    boolean channel = weights.text("strategy").equals("channel");
    int group = channel ? k : QuantizedFolder.groupSize(weights, "group_size", shape, codes);
    if (k % 32 != 0) {
      throw codes.fail(k + " inputs", "must be a multiple of 32");
    }
    StoredTensor scales = folder.need(module, "weight_scale", used, codes);
    checkShape(folder.need(module, "weight_shape", used, codes), shape);
    codes.require(QuantizedFolder.INT32, n, (long) k * bits / 32);
    scales.require(QuantizedFolder.FLOATS, n, k / group);
    StoredTensor zeros = null;
    if (!symmetric) {
      zeros = folder.need(module, "weight_zero_point", used, codes);
      zeros.require(QuantizedFolder.INT32, ((long) n * bits + 31) / 32, k / group);
    }
    StoredTensor index = folder.optional(module, "weight_g_idx", used);
    InputGroups inputs =
        index == null ? InputGroups.runs(k, group) : InputGroups.stored(index, k, k / group);
    StoredTensor packedZeros = zeros;
    return new GroupedMatrix(
        name,
        format,
        shape,
        inputs,
        new Lazy<>(() -> open(codes, packedZeros, scales, shape, k / group)));
  }

  private static void checkShape(StoredTensor stored, TensorShapes.Shape shape) {
    stored.require(List.of(StoredTensor.Type.I32, StoredTensor.Type.I64), 2);
    ByteBuffer values = stored.readAll();
    boolean wide = stored.type() == StoredTensor.Type.I64;
    long rows = wide ? values.getLong(0) : values.getInt(0);
    long cols = wide ? values.getLong(8) : values.getInt(4);
    if (rows != shape.rows() || cols != shape.cols()) {
      throw stored.fail("[%d, %d]".formatted(rows, cols), "expected " + shape);
    }
  }

  private GroupedMatrix.Layout open(
      StoredTensor codes,
      StoredTensor zeros,
      StoredTensor scales,
      TensorShapes.Shape shape,
      int groups) {
    ByteBuffer packed = codes.readAll();
    ByteBuffer packedZeros = zeros == null ? null : zeros.readAll();
    float[] scale = QuantizedFolder.scales(scales);
    int rowBytes = shape.cols() * bits / 8;
    return new GroupedMatrix.Layout() {
      @Override
      public void codes(int output, byte[] dst) {
        for (int k = 0; k < dst.length; k++) {
          dst[k] = (byte) QuantizedFolder.bits(packed, output * rowBytes, (long) k * bits, bits, 1);
        }
      }

      @Override
      public float scale(int output, int group) {
        return scale[output * groups + group];
      }

      @Override
      public int zero(int output, int group) {
        return packedZeros == null
            ? 1 << bits - 1
            : QuantizedFolder.bits(packedZeros, 4 * group, (long) output * bits, bits, groups);
      }
    };
  }

  @Override
  public String expectation() {
    return ", or compressed-tensors' weight_packed, weight_scale and weight_shape";
  }

  @Override
  public String describe() {
    return "compressed-tensors";
  }
}
