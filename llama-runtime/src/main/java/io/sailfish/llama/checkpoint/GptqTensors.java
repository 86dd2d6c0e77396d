package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Set;

/**
 * GPTQ as AutoGPTQ and gptqmodel save it: for a module of N outputs and K inputs
 *
 * <pre>
 * qweight I32 [K·b/32, N]  column n: a stream of b-bit codes over the inputs, lowest bits first
 * qzeros  I32 [K/g, N·b/32] row: a stream over the outputs; format gptq (v1) stores z - 1, gptq_v2 z
 * scales  F16 [K/g, N]
 * g_idx   I32 [K]          group of each input; any order with desc_act
 * </pre>
 *
 * In v1 the ones were taken off word by word (borrowing across codes), except with 3 bits, where
 * codes straddle words; they are added back the same way, as gptqmodel does.
 */
final class GptqTensors implements QuantizedTensors {
  private final JsonFields config;
  private final QuantizedFolder folder;
  private final QuantFormat format;
  private final int bits;
  private final boolean zerosLessOne;

  GptqTensors(JsonFields config, Map<String, StoredTensor> tensors) {
    this.config = config;
    this.folder = new QuantizedFolder(tensors);
    this.format = QuantizedFolder.integers(config, "bits");
    this.bits = config.integer("bits", 2, 8);
    String key = "checkpoint_format";
    String stored = config.text(key, "gptq");
    if (!stored.equals("gptq") && !stored.equals("gptq_v2")) {
      throw QuantizedFolder.unsupported(config, key, "gptq and gptq_v2 are read");
    }
    this.zerosLessOne = stored.equals("gptq");
    if (config.has("dynamic") && !config.value("dynamic").isEmpty()) {
      throw QuantizedFolder.unsupported(config, "dynamic", "one setting for all modules is read");
    }
    if (config.flag("is_marlin_format", false)) {
      throw QuantizedFolder.unsupported(config, "is_marlin_format", "false is read");
    }
    if (!config.text("pack_dtype", "int32").equals("int32")) {
      throw QuantizedFolder.unsupported(config, "pack_dtype", "int32 is read");
    }
  }

  @Override
  public WeightSource source(String name, TensorShapes.Shape shape, Set<String> used) {
    String module = QuantizedFolder.module(name);
    StoredTensor codes = folder.optional(module, "qweight", used);
    if (codes == null) {
      return null;
    }
    int k = shape.cols();
    int n = shape.rows();
    int group = QuantizedFolder.groupSize(config, "group_size", shape, codes);
    int groups = k / group;
    StoredTensor zeros = folder.need(module, "qzeros", used, codes);
    StoredTensor scales = folder.need(module, "scales", used, codes);
    StoredTensor index = folder.optional(module, "g_idx", used);
    if (n % 32 != 0) {
      throw codes.fail(n + " outputs", "must be a multiple of 32");
    }
    codes.require(QuantizedFolder.INT32, (long) k * bits / 32, n);
    zeros.require(QuantizedFolder.INT32, groups, (long) n * bits / 32);
    scales.require(QuantizedFolder.FLOATS, groups, n);
    InputGroups inputs =
        index == null ? InputGroups.runs(k, group) : InputGroups.stored(index, k, groups);
    return new GroupedMatrix(
        name, format, shape, inputs, new Lazy<>(() -> open(codes, zeros, scales, n)));
  }

  private GroupedMatrix.Layout open(
      StoredTensor codes, StoredTensor zeros, StoredTensor scales, int outputs) {
    ByteBuffer qweight = codes.readAll();
    ByteBuffer qzeros = zeros.readAll();
    float[] scale = QuantizedFolder.scales(scales);
    if (zerosLessOne && bits != 3) {
      addOnes(qzeros);
    }
    return new GroupedMatrix.Layout() {
      @Override
      public void codes(int output, byte[] dst) {
        for (int k = 0; k < dst.length; k++) {
          dst[k] = (byte) QuantizedFolder.bits(qweight, 4 * output, (long) k * bits, bits, outputs);
        }
      }

      @Override
      public float scale(int output, int group) {
        return scale[group * outputs + output];
      }

      @Override
      public int zero(int output, int group) {
        int row = group * (outputs * bits / 8);
        int zero = QuantizedFolder.bits(qzeros, row, (long) output * bits, bits, 1);
        return zerosLessOne && bits == 3 ? zero + 1 & 7 : zero;
      }
    };
  }

  /** Adds one to each code of each word, with the carries that taking it off had as borrows. */
  private void addOnes(ByteBuffer words) {
    int ones = (int) (0xFFFFFFFFL / ((1L << bits) - 1));
    for (int at = 0; at < words.limit(); at += 4) {
      words.putInt(at, words.getInt(at) + ones);
    }
  }

  @Override
  public String expectation() {
    return ", or GPTQ's qweight, qzeros and scales";
  }

  @Override
  public String describe() {
    return "gptq";
  }
}
