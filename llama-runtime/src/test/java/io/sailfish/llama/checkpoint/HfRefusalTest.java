package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One thing wrong with a folder: the message names file, field and value, and what would do. */
class HfRefusalTest {
  private static final String WEIGHTS = "model.safetensors";
  private static final String Q = "model.layers.0.self_attn.q_proj.weight";

  @TempDir private Path folder;

  private static Arguments change(String expected, Consumer<HfFolder> change) {
    return Arguments.of(expected, change);
  }

  private static Arguments config(String expected, String field) {
    return change(expected, f -> f.set("config.json", field));
  }

  /** A later field wins in JSON, so the one to change is taken out first. */
  private static Arguments replaced(String expected, String key, String value) {
    return change(
        expected,
        f -> f.replace("config.json", "\"" + key + "\": [^,\\n]+", "\"" + key + "\": " + value));
  }

  private static Arguments header(String expected, String regex, String by) {
    return change(expected, f -> f.header(WEIGHTS, regex, by));
  }

  static Stream<Arguments> configurations() {
    return Stream.of(
        change("config.json: is no JSON", f -> f.write("config.json", "{\"a\":".getBytes())),
        change("config.json: is no JSON object", f -> f.write("config.json", "[]".getBytes())),
        change("is a directory without config.json", f -> f.delete("config.json")),
        change(
            "architectures = [\"GemmaForCausalLM\"]: run are LlamaForCausalLM, DeciLMForCausalLM",
            f -> f.replace("config.json", "LlamaForCausalLM", "GemmaForCausalLM")),
        replaced("hidden_size = \"64\": must be a whole number", "hidden_size", "\"64\""),
        replaced("hidden_size = 0: must lie in [1, ", "hidden_size", "0"),
        replaced("hidden_size = 1.5: must be a whole number", "hidden_size", "1.5"),
        replaced("num_hidden_layers = 1.0E99: must be a whole number", "num_hidden_layers", "1e99"),
        replaced("hidden_act = gelu: silu is run", "hidden_act", "\"gelu\""),
        replaced("num_key_value_heads = 3: must divide", "num_key_value_heads", "3"),
        replaced("rms_norm_eps = -1: must be a positive number", "rms_norm_eps", "-1"),
        replaced("must be true or false", "tie_word_embeddings", "1"),
        replaced("head_dim = 15: must be even", "head_dim", "15"),
        replaced("eos_token_id = 512: vocab_size is 512", "eos_token_id", "512"),
        replaced("shape [512, 64]: expected [510, 64]", "vocab_size", "510"),
        replaced("mlp_bias = true: it changes the arithmetic", "mlp_bias", "true"),
        config("sliding_window = 9: a Llama has none", "\"sliding_window\": 9"),
        config("embedding_multiplier = 2.0: it changes", "\"embedding_multiplier\": 2.0"),
        config("logit_scale = 0.5: it changes the arithmetic", "\"logit_scale\": 0.5"),
        config("partial_rotary_factor = 0.5: 1 is run", "\"partial_rotary_factor\": 0.5"),
        change(
            "rope_parameters.rope_type = yarn: default, linear and llama3 are run",
            f -> f.replace("config.json", "\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"")),
        config(
            "quantization_config.quant_method = hqq",
            "\"quantization_config\": {\"quant_method\": \"hqq\"}"));
  }

  static Stream<Arguments> tensors() {
    String q = "\"" + Q + "\":\\{\"dtype\":\"BF16\",\"shape\":\\[64,64\\]";
    return Stream.of(
        change("has neither model.safetensors nor", f -> f.delete(WEIGHTS)),
        change("header length = (none)", f -> f.write(WEIGHTS, new byte[7])),
        change("header length = 18446744073709551615", f -> f.write(WEIGHTS, allOnes())),
        header("header is no JSON", "\\{", "{{"),
        header("header = [: must be START_OBJECT", "^\\{", "[{"),
        header("dtype = BF17: types known are", "BF16", "BF17"),
        header("fields known are dtype, shape", "\"dtype\"", "\"extra\":1,\"dtype\""),
        header("takes 16384 bytes, data_offsets give it 8192", q, rest("[64,128]")),
        header("more elements than a file can hold", q, rest("[4611686018427387904,4]")),
        header("must be whole numbers from 0 to 2^63 - 1", q, rest("[64,-64]")),
        header("must be whole numbers from 0 to 2^63 - 1", q, rest("[99999999999999999999]")),
        header("must be VALUE_NUMBER_INT", q, rest("[64.0,64]")),
        header("there may be 8", q, rest("[1,1,1,1,1,1,1,64,64]")),
        header("shape [4096]: expected [64, 64]", q, rest("[4096]")),
        header("the file has", "\"data_offsets\":\\[0,", "\"data_offsets\":[1000000000,"),
        header("overlaps the tensor before", "\"data_offsets\":\\[[1-9][0-9]*,[0-9]+", zeroTo()),
        header(Q + " = (none): expected one of shape [64, 64]", Q, "model.layers.0.other.weight"),
        header("must be START_OBJECT", "__metadata__\":", "x\":0,\"__metadata__\":"),
        change("belong to no tensor", f -> f.write(WEIGHTS, longer(f.bytes(WEIGHTS)))));
  }

  private static byte[] allOnes() {
    byte[] bytes = new byte[64];
    Arrays.fill(bytes, (byte) -1);
    return bytes;
  }

  private static byte[] longer(byte[] bytes) {
    return Arrays.copyOf(bytes, bytes.length + 3);
  }

  private static String rest(String shape) {
    return "\"" + Q + "\":{\"dtype\":\"BF16\",\"shape\":" + shape;
  }

  private static String zeroTo() {
    return "\"data_offsets\":[0,128";
  }

  static Stream<Arguments> others() {
    String config = "tokenizer_config.json";
    return Stream.of(
        change("tokenizer.json: is missing", f -> f.delete("tokenizer.json")),
        change("tokenizer.json: is no JSON", f -> f.write("tokenizer.json", "{\"a\"".getBytes())),
        change(
            "token '<|im_end|>' has id 9999; the model's embedding has 512 rows",
            f -> f.replace("tokenizer.json", "\"id\": 2,", "\"id\": 9999,")),
        change(
            "bos_token = 5: must be a text", f -> f.replace(config, "\"<[|]im_start[|]>\"", "5")),
        change(
            "an array must hold one named default",
            f -> f.replace(config, "\"default\"", "\"other\"")),
        change(
            "generation_config.json: eos_token_id = \"x\"",
            f -> f.write("generation_config.json", "{\"eos_token_id\": \"x\"}".getBytes())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({"configurations", "tensors", "others"})
  void wrongThingIsNamed(String expected, Consumer<HfFolder> change) {
    HfFolder copy = HfFolder.copyOf("hf/smollm2", folder);
    change.accept(copy);
    refused(expected, copy);
  }

  static Stream<Arguments> shards() {
    String index = "model.safetensors.index.json";
    return Stream.of(
        change(
            "this shard is not in the folder", f -> f.delete("model-00002-of-00003.safetensors")),
        change(
            "must be the name of a .safetensors file in the folder",
            f -> f.replace(index, "model-00001-of", "../model-00001-of")),
        change(
            "this shard has no such tensor",
            f -> f.replace(index, "\"lm_head.weight\"", "\"lm_head.bias\"")),
        change(
            "is in",
            f ->
                f.write(
                    "model-00002-of-00003.safetensors",
                    f.bytes("model-00001-of-00003.safetensors"))),
        change("index.json: weight_map = (none)", f -> f.write(index, "{}".getBytes())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("shards")
  void wrongShardIsNamed(String expected, Consumer<HfFolder> change) {
    HfFolder copy = HfFolder.copyOf("hf/llama", folder);
    change.accept(copy);
    refused(expected, copy);
  }

  private static Arguments block(String expected, String regex, String by) {
    return change(expected, f -> f.replace("config.json", regex, by));
  }

  static Stream<Arguments> blocks() {
    return Stream.of(
        block("block_configs = 5 blocks: num_hidden", "hidden_layers\": 5", "hidden_layers\": 6"),
        block("block_configs[0].attention.n_heads_in_group = 3: must", "group\": 2", "group\": 3"),
        block("block_configs[0].attention = (none)", "\"attention\"", "\"other\""),
        block("replace_with_linear = true: it changes", "linear\": false", "linear\": true"),
        block("window_length = 8: it changes", "length\": null", "length\": 8"),
        block("block_configs[0].ffn.ffn_mult = 1.0E9: makes", "mult\": 1.0", "mult\": 1e9"),
        block(
            "gate_proj.weight: shape [256, 64]: expected [512, 64]", "mult\": 1.0", "mult\": 7.0"),
        block("no_op = 1: must be true or false", "no_op\": false", "no_op\": 1"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("blocks")
  void wrongBlockIsNamed(String expected, Consumer<HfFolder> change) {
    HfFolder copy = HfFolder.copyOf("searched/deci", folder);
    change.accept(copy);
    refused(expected, copy);
  }

  private static void refused(String expected, HfFolder copy) {
    RuntimeFailure e =
        assertThrows(
            RuntimeFailure.class,
            () -> {
              try (Checkpoint checkpoint = Checkpoints.open(copy.path())) {
                checkpoint.chatTemplate();
              }
            });
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().startsWith(copy.path().toString()), e.getMessage());
  }
}
