package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One thing wrong with a quantised folder: refused with file, field or tensor, and value. */
class QuantizedRefusalTest {
  private static final String CONFIG = "config.json";
  private static final String WEIGHTS = "model.safetensors";
  private static final String Q = "model.layers.0.self_attn.q_proj.";

  @TempDir private Path folder;

  private static Arguments config(String expected, String variant, String regex, String by) {
    return Arguments.of(expected, variant, (Consumer<HfFolder>) f -> f.replace(CONFIG, regex, by));
  }

  private static Arguments header(String expected, String variant, String text, String by) {
    return Arguments.of(
        expected, variant, (Consumer<HfFolder>) f -> f.header(WEIGHTS, Pattern.quote(text), by));
  }

  /** Overwrites bytes of a tensor of the first layer's q. */
  private static Arguments data(String expected, String variant, String part, int at, byte... by) {
    return Arguments.of(
        expected, variant, (Consumer<HfFolder>) f -> overwrite(f, Q + part, at, by));
  }

  private static void overwrite(HfFolder folder, String tensor, int at, byte[] by) {
    byte[] whole = folder.bytes(WEIGHTS);
    int length = (int) ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    String header = new String(whole, 8, length, StandardCharsets.UTF_8);
    Matcher offsets =
        Pattern.compile("\"" + Pattern.quote(tensor) + "\":\\{[^}]*\"data_offsets\":\\[(\\d+),")
            .matcher(header);
    if (!offsets.find()) {
      throw new IllegalArgumentException(tensor + " is not in " + header);
    }
    System.arraycopy(by, 0, whole, 8 + length + Integer.parseInt(offsets.group(1)) + at, by.length);
    folder.write(WEIGHTS, whole);
  }

  private static void oddBlocks(HfFolder folder) {
    String whole = new String(folder.bytes(WEIGHTS), StandardCharsets.ISO_8859_1);
    String changed = whole.replaceFirst("\"blocksize\": ?64", "\"blocksize\":60");
    int shorter = whole.length() - changed.length();
    changed = changed.replaceFirst("\"blocksize\":60", "\"blocksize\":60" + " ".repeat(shorter));
    folder.write(WEIGHTS, changed.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static final byte[] HALF_INFINITY = {0x00, 0x7C};
  private static final byte[] BRAIN_NAN = {(byte) 0xC0, 0x7F};
  private static final byte[] NAN = {0, 0, (byte) 0xC0, 0x7F};

  static Stream<Arguments> gptq() {
    String v = "gptq_w4_g32_desc_act";
    return Stream.of(
        config("quant_method = hqq: gptq, awq, compressed-tensors and", v, "\"gptq\"", "\"hqq\""),
        config("bits = 5: 2, 3, 4 and 8 are read", v, "\"bits\": 4", "\"bits\": 5"),
        config("group_size 48 with 128 inputs", v, "_size\": 32", "_size\": 48"),
        config("shape [4, 16]: expected [2, 16]", v, "_size\": 32", "_size\": 64"),
        config(
            "checkpoint_format = \"marlin\": gptq and gptq_v2 are read",
            v,
            "_format\": \"gptq\"",
            "_format\": \"marlin\""),
        config("pack_dtype = \"int16\": int32 is read", v, "\"int32\"", "\"int16\""),
        config(
            "dynamic = {\"x\":{}}: one setting", v, "\"bits\"", "\"dynamic\":{\"x\":{}},\"bits\""),
        header("type F32: must be one of [I32]", v, q("qweight", "I32"), q("qweight", "F32")),
        header("type I16: must be one of [F16", v, q("scales", "F16"), q("scales", "I16")),
        header("without " + Q + "qzeros: both are needed", v, Q + "qzeros", Q + "qzerox"),
        header("is no part of a model", v, Q + "g_idx", Q + "g_other"),
        data(Q + "scales: element 1 = Infinity: scales must", v, "scales", 2, HALF_INFINITY),
        data(Q + "g_idx: element 0 = 99: there are 4 groups", v, "g_idx", 0, (byte) 99));
  }

  private static String q(String part, String type) {
    return Q + part + "\":{\"dtype\":\"" + type;
  }

  static Stream<Arguments> awq() {
    String v = "awq_g32";
    return Stream.of(
        config("bits = 8: must lie in [4, 4]", v, "\"bits\": 4", "\"bits\": 8"),
        config("version = \"gemv\": gemm is read", v, "\"gemm\"", "\"gemv\""),
        config("group_size 96 with 128 inputs", v, "_size\": 32", "_size\": 96"),
        header("type U32: must be one of [I32]", v, q("qweight", "I32"), q("qweight", "U32")),
        header("without " + Q + "scales: both are needed", v, Q + "scales", Q + "scalex"),
        data(Q + "scales: element 0 = Infinity: scales must", v, "scales", 0, HALF_INFINITY));
  }

  static Stream<Arguments> compressedTensors() {
    String v = "ct_w4_g32_asym";
    return Stream.of(
        config(
            "quantization_config.format = \"int-quantized\": pack-quantized is read",
            v,
            "\"pack-quantized\"",
            "\"int-quantized\""),
        config("num_bits = 6: 2, 3, 4 and 8", v, "\"num_bits\": 4", "\"num_bits\": 6"),
        config("weights.type = \"float\": int is read", v, "\"int\"", "\"float\""),
        config("strategy = \"block\": group and channel", v, "\"group\"", "\"block\""),
        config("group_size 40 with 128 inputs", v, "_size\": 32", "_size\": 40"),
        config("kv_cache_scheme = {\"a\":1}: null is", v, "cheme\": null", "cheme\": {\"a\":1}"),
        config(
            "input_activations = {\"num_bits\":8}: quantised weights alone are run",
            v,
            "\"input_activations\": null",
            "\"input_activations\": {\"num_bits\":8}"),
        header("without " + Q + "weight_shape: both", v, Q + "weight_shape", Q + "weight_shap"),
        header("without " + Q + "weight_zero_point: both", v, Q + "weight_zero_point", Q + "zero"),
        data("weight_shape: [129, 128]: expected [128, 128]", v, "weight_shape", 0, (byte) 129),
        data(Q + "weight_scale: element 0 = NaN: scales must", v, "weight_scale", 0, BRAIN_NAN));
  }

  static Stream<Arguments> bitsAndBytes() {
    String v = "bnb_nf4_double";
    String absmax = "weight.nested_absmax";
    return Stream.of(
        config("load_in_4bit = false: true is read", v, "_4bit\": true", "_4bit\": false"),
        header("type I8: must be one of [U8]", v, q("weight", "U8"), q("weight", "I8")),
        header("without " + Q + "weight.quant_map", v, Q + "weight.quant_map", Q + "weight.other"),
        header("absmax: type U8: must be one of [F32]", v, Q + absmax, Q + "weight.other"),
        data(Q + "weight.quant_map: element 0 = NaN: nf4 has -1.0", v, "weight.quant_map", 0, NAN),
        Arguments.of(
            "blocksize 60: must be a multiple of 32 that divides the weights",
            v,
            (Consumer<HfFolder>) QuantizedRefusalTest::oddBlocks),
        data(Q + absmax + ": element 0 = NaN: scales must be numbers", v, absmax, 0, NAN));
  }

  @ParameterizedTest(name = "{1}: {0}")
  @MethodSource({"gptq", "awq", "compressedTensors", "bitsAndBytes"})
  void wrongThingIsNamed(String expected, String variant, Consumer<HfFolder> change) {
    HfFolder copy = HfFolder.copyOf("quantized/" + variant, folder);
    change.accept(copy);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> load(copy.path()));
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().startsWith(copy.path().toString()), e.getMessage());
  }

  /** As far as loading goes: every matrix is asked for its rows. */
  private static void load(Path path) {
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      WeightSource q = checkpoint.tensor("layers.0.q");
      q.readRows(0, 1, ByteBuffer.allocate(Math.toIntExact(q.format().rowBytes(q.cols()))));
    }
  }
}
