package io.sailfish.llama.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes GGUF files for tests: a small valid Llama, of which tests change one thing. */
final class GgufBytes {
  static final int HIDDEN = 32;
  private static final int INNER = 64;
  private static final String[] TOKENS = {"<|end|>", "a", "b", "c", "ab", "abc", "Ġ", "<mark>"};

  /** Type number and encoded value. */
  record Value(int type, byte[] bytes) {}

  /** Dimensions innermost first; {@code offset} null: after the tensor before. */
  record Tensor(long[] dims, int type, Long offset) {}

  int magic = GgufReader.MAGIC;
  int version = 3;
  Long tensorCount;
  Long keyCount;
  int alignment = 32;
  int dataBytes = -1;
  final Map<String, Value> keys = new LinkedHashMap<>();
  final Map<String, Tensor> tensors = new LinkedHashMap<>();

  /** One layer, two heads of 16 over one key/value head, eight tokens, all F32. */
  static GgufBytes llama() {
    GgufBytes f = new GgufBytes();
    f.keys.put("general.architecture", text("llama"));
    f.keys.put("general.name", text("Small"));
    f.keys.put("llama.block_count", u32(1));
    f.keys.put("llama.context_length", u32(128));
    f.keys.put("llama.embedding_length", u32(HIDDEN));
    f.keys.put("llama.feed_forward_length", u32(INNER));
    f.keys.put("llama.attention.head_count", u32(2));
    f.keys.put("llama.attention.head_count_kv", u32(1));
    f.keys.put("llama.attention.layer_norm_rms_epsilon", f32(1e-5f));
    f.keys.put("llama.rope.freq_base", f32(10000f));
    f.keys.put("tokenizer.ggml.model", text("gpt2"));
    f.keys.put("tokenizer.ggml.pre", text("smollm"));
    f.keys.put("tokenizer.ggml.tokens", texts(TOKENS));
    f.keys.put("tokenizer.ggml.token_type", i32s(3, 1, 1, 1, 1, 1, 1, 4));
    f.keys.put("tokenizer.ggml.merges", texts("a b", "ab c"));
    f.keys.put("tokenizer.ggml.eos_token_id", u32(0));
    f.tensors.put("token_embd.weight", f32Tensor(HIDDEN, TOKENS.length));
    f.tensors.put("output_norm.weight", f32Tensor(HIDDEN));
    f.tensors.put("blk.0.attn_norm.weight", f32Tensor(HIDDEN));
    f.tensors.put("blk.0.attn_q.weight", f32Tensor(HIDDEN, HIDDEN));
    f.tensors.put("blk.0.attn_k.weight", f32Tensor(HIDDEN, 16));
    f.tensors.put("blk.0.attn_v.weight", f32Tensor(HIDDEN, 16));
    f.tensors.put("blk.0.attn_output.weight", f32Tensor(HIDDEN, HIDDEN));
    f.tensors.put("blk.0.ffn_norm.weight", f32Tensor(HIDDEN));
    f.tensors.put("blk.0.ffn_gate.weight", f32Tensor(HIDDEN, INNER));
    f.tensors.put("blk.0.ffn_up.weight", f32Tensor(HIDDEN, INNER));
    f.tensors.put("blk.0.ffn_down.weight", f32Tensor(INNER, HIDDEN));
    return f;
  }

  static Value u32(long n) {
    return new Value(4, little(4).putInt((int) n).array());
  }

  static Value i32(int n) {
    return new Value(5, little(4).putInt(n).array());
  }

  static Value u64(long n) {
    return new Value(10, little(8).putLong(n).array());
  }

  static Value f32(float x) {
    return new Value(6, little(4).putFloat(x).array());
  }

  static Value bool(int b) {
    return new Value(7, new byte[] {(byte) b});
  }

  static Value text(String s) {
    return new Value(8, encoded(s));
  }

  static Value texts(String... all) {
    ByteArrayOutputStream out = arrayHead(8, all.length);
    for (String s : all) {
      out.writeBytes(encoded(s));
    }
    return new Value(9, out.toByteArray());
  }

  static Value i32s(int... all) {
    ByteArrayOutputStream out = arrayHead(5, all.length);
    for (int n : all) {
      out.writeBytes(i32(n).bytes);
    }
    return new Value(9, out.toByteArray());
  }

  static Value f32s(float... all) {
    ByteArrayOutputStream out = arrayHead(6, all.length);
    for (float x : all) {
      out.writeBytes(f32(x).bytes);
    }
    return new Value(9, out.toByteArray());
  }

  /** The start of an array: what follows is up to the caller, or missing. */
  static Value arrayOf(int elementType, long count) {
    return new Value(9, arrayHead(elementType, count).toByteArray());
  }

  static Tensor f32Tensor(long... dims) {
    return new Tensor(dims, 0, null);
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(little(8).putInt(magic).putInt(version).array());
    out.writeBytes(little(8).putLong(tensorCount == null ? tensors.size() : tensorCount).array());
    out.writeBytes(little(8).putLong(keyCount == null ? keys.size() : keyCount).array());
    keys.forEach(
        (key, value) -> {
          out.writeBytes(encoded(key.replaceFirst("#.*", "")));
          out.writeBytes(little(4).putInt(value.type).array());
          out.writeBytes(value.bytes);
        });
    long next = 0;
    for (Map.Entry<String, Tensor> e : tensors.entrySet()) {
      Tensor t = e.getValue();
      out.writeBytes(encoded(e.getKey().replaceFirst("#.*", "")));
      out.writeBytes(little(4).putInt(t.dims.length).array());
      long elements = 1;
      for (long dim : t.dims) {
        out.writeBytes(little(8).putLong(dim).array());
        elements *= dim;
      }
      out.writeBytes(little(4).putInt(t.type).array());
      out.writeBytes(little(8).putLong(t.offset == null ? next : t.offset).array());
      // Sizes that no test means to be real leave the others where they were.
      next += elements > 1 << 20 ? 0 : (elements * 4 + 31) / 32 * 32;
    }
    out.writeBytes(new byte[(alignment - out.size() % alignment) % alignment]);
    out.writeBytes(new byte[dataBytes >= 0 ? dataBytes : (int) next]);
    return out.toByteArray();
  }

  Path write(Path folder) {
    try {
      return Files.write(Files.createTempFile(folder, "small", ".gguf"), bytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ByteArrayOutputStream arrayHead(int elementType, long count) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(little(12).putInt(elementType).putLong(count).array());
    return out;
  }

  private static byte[] encoded(String s) {
    byte[] utf8 = s.getBytes(StandardCharsets.UTF_8);
    return little(8 + utf8.length).putLong(utf8.length).put(utf8).array();
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
