package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.model.RopeConfig;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One wrong thing at a time in a small valid file: an error that names it. */
class GgufRefusalTest {
  @TempDir private static Path folder;

  @Test
  void theUnchangedFileIsRead() {
    try (Checkpoint checkpoint = Checkpoints.open(GgufBytes.llama().write(folder));
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      assertEquals(new RopeConfig.None(), checkpoint.config().rope().scaling());
      assertTrue(checkpoint.config().tiedEmbeddings());
      assertEquals("abc<mark>", tokenizer.decode(tokenizer.encodeText("abc<mark>")));
      assertEquals(2, tokenizer.encodeText("abc<mark>").length);
    }
  }

  @Test
  void versionTwoIsRead() {
    GgufBytes file = GgufBytes.llama();
    file.version = 2;
    Checkpoints.open(file.write(folder)).close();
  }

  private static Arguments change(String expected, Consumer<GgufBytes> change) {
    return Arguments.of(expected, change);
  }

  private static Arguments key(String expected, String key, GgufBytes.Value value) {
    return change(expected, f -> f.keys.put(key, value));
  }

  private static Arguments tensor(String expected, String name, GgufBytes.Tensor tensor) {
    return change(expected, f -> f.tensors.put(name, tensor));
  }

  private static final long HUGE = 1L << 60;

  static Stream<Arguments> headers() {
    return Stream.of(
        change("starts with the bytes", f -> f.magic = 0x46554748),
        change("version = 1", f -> f.version = 1),
        change("version = 4", f -> f.version = 4),
        change("big-endian", f -> f.version = 3 << 24),
        change("tensor count", f -> f.tensorCount = HUGE),
        change("tensor count", f -> f.tensorCount = -1L),
        change("key count", f -> f.keyCount = HUGE),
        change("key count", f -> f.keyCount = Long.MIN_VALUE),
        change("key", f -> f.keyCount = 1000L),
        key("key general.junk type = 13", "general.junk", new GgufBytes.Value(13, new byte[4])),
        key("array of arrays", "general.junk", GgufBytes.arrayOf(9, 1)),
        key("general.junk count", "general.junk", GgufBytes.arrayOf(8, HUGE)),
        key("general.junk count", "general.junk", GgufBytes.arrayOf(0, -1)),
        key("general.junk count", "general.junk", GgufBytes.arrayOf(12, HUGE)),
        key("a truth value is 0 or 1", "general.junk", GgufBytes.bool(2)),
        key("occurs twice", "general.name#2", GgufBytes.text("x")),
        key("power of two", "general.alignment", GgufBytes.u32(48)),
        key("general.alignment = 0", "general.alignment", GgufBytes.u32(0)),
        key("general.alignment", "general.alignment", GgufBytes.u64(HUGE)),
        key("must be a whole number", "general.alignment", GgufBytes.text("32")));
  }

  static Stream<Arguments> tensors() {
    String q = "blk.0.attn_q.weight";
    return Stream.of(
        tensor(
            "tensor = output_norm.weight: occurs twice",
            "output_norm.weight#2",
            GgufBytes.f32Tensor(32)),
        tensor("dimensions = 0", q, GgufBytes.f32Tensor()),
        tensor("dimensions = 5", q, GgufBytes.f32Tensor(2, 2, 2, 2, 2)),
        tensor("dimension = 0", q, GgufBytes.f32Tensor(32, 0)),
        tensor(
            "dimension = 1152921504606846976",
            q,
            new GgufBytes.Tensor(new long[] {32, HUGE}, 0, 0L)),
        tensor("2^31 - 1", q, new GgufBytes.Tensor(new long[] {2, 1L << 30, 4}, 0, 0L)),
        tensor(
            "truncated",
            q,
            new GgufBytes.Tensor(new long[] {(1L << 31) - 1, (1L << 31) - 1}, 0, 0L)),
        tensor("type IQ4_XS (number 23)", q, new GgufBytes.Tensor(new long[] {32, 32}, 23, null)),
        tensor(
            "type number 4000000000",
            q,
            new GgufBytes.Tensor(new long[] {32, 32}, (int) 4000000000L, null)),
        tensor("block length", q, new GgufBytes.Tensor(new long[] {33, 32}, 8, null)),
        tensor("no multiple of 32", q, new GgufBytes.Tensor(new long[] {32, 32}, 0, 8L)),
        tensor(
            "offset = 18446744073709551584", q, new GgufBytes.Tensor(new long[] {32, 32}, 0, -32L)),
        tensor("truncated", q, new GgufBytes.Tensor(new long[] {32, 32}, 0, HUGE)),
        tensor("truncated", q, new GgufBytes.Tensor(new long[] {32, 32}, 0, Long.MAX_VALUE - 31)),
        tensor("overlaps tensor", q, new GgufBytes.Tensor(new long[] {32, 32}, 0, 0L)),
        change("truncated", f -> f.dataBytes = 100),
        change("truncated", f -> f.dataBytes = 0),
        tensor(
            "tensor for layers.0.k_bias = (none): expected one of shape [1, 16]",
            "blk.0.attn_q.bias",
            GgufBytes.f32Tensor(32)),
        tensor("with 1 layers", "blk.1.attn_q.weight", GgufBytes.f32Tensor(32, 32)),
        tensor(
            "shape of tensor " + q + " = [31, 32]: expected [32, 32]",
            q,
            GgufBytes.f32Tensor(32, 31)),
        change("tensor for layers.0.q", f -> f.tensors.remove(q)),
        change("token_embd.weight", f -> f.tensors.remove("token_embd.weight")),
        tensor("half the head dimension", "rope_freqs.weight", GgufBytes.f32Tensor(16)),
        tensor("divisors must be positive", "rope_freqs.weight", GgufBytes.f32Tensor(8)));
  }

  static Stream<Arguments> configurations() {
    String a = "llama.attention.";
    return Stream.of(
        change("general.architecture", f -> f.keys.remove("general.architecture")),
        key(
            "general.architecture = qwen2moe: run are llama, deci, qwen2, qwen3",
            "general.architecture",
            GgufBytes.text("qwen2moe")),
        key("llama.expert_count", "llama.expert_count", GgufBytes.u32(8)),
        key(a + "sliding_window", a + "sliding_window", GgufBytes.u32(4096)),
        key("llama.logit_scale", "llama.logit_scale", GgufBytes.f32(0.5f)),
        key("llama.final_logit_softcapping", "llama.final_logit_softcapping", GgufBytes.f32(30f)),
        change("llama.block_count", f -> f.keys.remove("llama.block_count")),
        key("llama.block_count", "llama.block_count", GgufBytes.u32(0)),
        key("llama.block_count", "llama.block_count", GgufBytes.u64(HUGE)),
        key("[8, 32]: expected [8, 64]", "llama.embedding_length", GgufBytes.u32(64)),
        key("must divide", a + "head_count", GgufBytes.u32(3)),
        key("head_count = 2 elements", a + "head_count", GgufBytes.i32s(2, 2)),
        key("head_count = -1: must lie in", a + "head_count", GgufBytes.i32s(-1)),
        key("head_count = 0: one layer at least", a + "head_count", GgufBytes.i32s(0)),
        key("head_count_kv = 0: one layer at least", a + "head_count_kv", GgufBytes.i32s(0)),
        key("feed_forward_length = 0: one", "llama.feed_forward_length", GgufBytes.i32s(0)),
        key("head_count_kv", a + "head_count_kv", GgufBytes.u32(3)),
        key("must be even", a + "key_length", GgufBytes.u32(15)),
        key("value_length = 8", a + "value_length", GgufBytes.u32(8)),
        key("rope.dimension_count = 8", "llama.rope.dimension_count", GgufBytes.u32(8)),
        key("vocab_size = 9", "llama.vocab_size", GgufBytes.u32(9)),
        key("epsilon = NaN", a + "layer_norm_rms_epsilon", GgufBytes.f32(Float.NaN)),
        key("epsilon = 0.0", a + "layer_norm_rms_epsilon", GgufBytes.f32(0)),
        key("epsilon", a + "layer_norm_rms_epsilon", GgufBytes.u32(1)),
        key("freq_base = -1.0", "llama.rope.freq_base", GgufBytes.f32(-1)),
        key("scaling.type = yarn", "llama.rope.scaling.type", GgufBytes.text("yarn")),
        key("scaling.type = longrope", "llama.rope.scaling.type", GgufBytes.text("longrope")),
        key("scaling.factor", "llama.rope.scaling.type", GgufBytes.text("linear")));
  }

  static Stream<Arguments> tokenizers() {
    String t = "tokenizer.ggml.";
    return Stream.of(
        change(t + "model", f -> f.keys.remove(t + "model")),
        key(t + "model = t5", t + "model", GgufBytes.text("t5")),
        change(t + "pre = (none)", f -> f.keys.remove(t + "pre")),
        key(t + "pre = viking", t + "pre", GgufBytes.text("viking")),
        change(t + "tokens = 0 tokens", f -> f.keys.remove(t + "tokens")),
        key(t + "tokens = 9 tokens", t + "tokens", GgufBytes.texts("1 2 3 4 5 6 7 8 9".split(" "))),
        key(t + "tokens", t + "tokens", GgufBytes.i32s(1, 2, 3, 4, 5, 6, 7, 8)),
        key(t + "token_type = 1 elements", t + "token_type", GgufBytes.i32s(1)),
        change(t + "merges = (none)", f -> f.keys.remove(t + "merges")),
        key("'a z' at 0: 'z' is no token", t + "merges", GgufBytes.texts("a z")),
        key("must be two parts", t + "merges", GgufBytes.texts("ab")),
        key("too many", t + "merges", GgufBytes.texts("a ".repeat(65).split("(?<= )"))),
        key(t + "eos_token_id = 8", t + "eos_token_id", GgufBytes.u32(8)),
        key(t + "bos_token_id = 77", t + "bos_token_id", GgufBytes.u32(77)),
        key("scores, token_type", t + "model", GgufBytes.text("llama")),
        change(
            "nothing would end an answer",
            f -> {
              f.keys.remove(t + "eos_token_id");
              f.keys.put(t + "token_type", GgufBytes.i32s(1, 1, 1, 1, 1, 1, 1, 1));
            }));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({"headers", "tensors", "configurations", "tokenizers"})
  void wrongThingIsNamed(String expected, Consumer<GgufBytes> change) {
    GgufBytes file = GgufBytes.llama();
    change.accept(file);
    Path path = file.write(folder);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> open(path));
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  @Test
  void everyTruncationIsNoticed() throws IOException {
    byte[] whole = GgufBytes.llama().bytes();
    Path path = folder.resolve("truncated.gguf");
    // The header byte by byte, the data in steps.
    for (int length = 0; length < whole.length; length += length < 2000 ? 1 : 97) {
      Files.write(path, Arrays.copyOf(whole, length));
      RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> open(path), "length " + length);
      assertEquals(RuntimeFailure.Kind.USER, e.kind());
      assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
    }
  }

  @Test
  void textThatIsNoUtf8() throws IOException {
    byte[] bytes = GgufBytes.llama().bytes();
    int at = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("Small");
    bytes[at] = (byte) 0xff;
    Path path = Files.write(folder.resolve("utf8.gguf"), bytes);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> open(path));
    assertTrue(e.getMessage().contains("general.name"), e.getMessage());
  }

  @Test
  void missingFileFolderAndOtherKinds() throws IOException {
    assertMessage("no such file", folder.resolve("nothing.gguf"));
    assertMessage("is a directory", folder);
    assertMessage("has 0 bytes", Files.write(folder.resolve("empty.gguf"), new byte[0]));
    assertMessage(
        "0x504b0304", Files.write(folder.resolve("a.zip"), new byte[] {'P', 'K', 3, 4, 5}));
  }

  @Test
  void fileThatShrinksWhileInUseIsAnErrorAndNoCrash() throws IOException {
    Path path = GgufBytes.llama().write(folder);
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      Files.write(path, new byte[10]);
      RuntimeFailure e =
          assertThrows(
              RuntimeFailure.class,
              () ->
                  checkpoint
                      .tensor("layers.0.down")
                      .readRows(0, 32, java.nio.ByteBuffer.allocate(64 * 32 * 4)));
      assertTrue(e.getMessage().contains("changed while in use"), e.getMessage());
    }
  }

  private static void assertMessage(String expected, Path path) {
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> open(path));
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  /** Everything that a load reads besides the weights. */
  static void open(Path path) {
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      checkpoint.chatTemplate();
      HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig()).close();
    }
  }
}
