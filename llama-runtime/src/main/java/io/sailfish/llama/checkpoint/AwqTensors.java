package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * AWQ in the GEMM order of AutoAWQ: for a module of N outputs and K inputs
 *
 * <pre>
 * qweight I32 [K, N/8]    eight outputs a word, output c at nibble {0, 4, 1, 5, 2, 6, 3, 7}[c]
 * qzeros  I32 [K/g, N/8]  likewise
 * scales  F16 [K/g, N]
 * </pre>
 */
final class AwqTensors implements QuantizedTensors {
  private static final int[] NIBBLE = {0, 4, 1, 5, 2, 6, 3, 7};

  private final JsonFields config;
  private final QuantizedFolder folder;
  private final QuantFormat format = QuantFormat.U4;

  AwqTensors(JsonFields config, Map<String, StoredTensor> tensors) {
    this.config = config;
    this.folder = new QuantizedFolder(tensors);
    config.integer("bits", 4, 4);
    // AutoAWQ calls the order version, gptqmodel checkpoint_format.
    String key = config.has("version") ? "version" : "checkpoint_format";
    if (!config.text(key, "gemm").toLowerCase(Locale.ROOT).equals("gemm")) {
      throw QuantizedFolder.unsupported(config, key, "gemm is read");
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
    StoredTensor zeros = folder.need(module, "qzeros", used, codes);
    StoredTensor scales = folder.need(module, "scales", used, codes);
    if (n % 8 != 0) {
      throw codes.fail(n + " outputs", "must be a multiple of 8");
    }
    codes.require(QuantizedFolder.INT32, k, n / 8);
    zeros.require(QuantizedFolder.INT32, k / group, n / 8);
    scales.require(QuantizedFolder.FLOATS, k / group, n);
    InputGroups groups = InputGroups.runs(k, group);
    return new GroupedMatrix(
        name, format, shape, groups, new Lazy<>(() -> open(codes, zeros, scales, n)));
  }

  private static GroupedMatrix.Layout open(
      StoredTensor codes, StoredTensor zeros, StoredTensor scales, int outputs) {
    ByteBuffer qweight = codes.readAll();
    ByteBuffer qzeros = zeros.readAll();
    float[] scale = QuantizedFolder.scales(scales);
    return new GroupedMatrix.Layout() {
      @Override
      public void codes(int output, byte[] dst) {
        for (int k = 0; k < dst.length; k++) {
          dst[k] = (byte) nibble(qweight, k, output, outputs);
        }
      }

      @Override
      public float scale(int output, int group) {
        return scale[group * outputs + output];
      }

      @Override
      public int zero(int output, int group) {
        return nibble(qzeros, group, output, outputs);
      }
    };
  }

  private static int nibble(ByteBuffer words, int row, int output, int outputs) {
    int word = words.getInt(4 * (row * (outputs / 8) + output / 8));
    return word >>> 4 * NIBBLE[output % 8] & 15;
  }

  @Override
  public String expectation() {
    return ", or AWQ's qweight, qzeros and scales";
  }

  @Override
  public String describe() {
    return "awq";
  }
}
