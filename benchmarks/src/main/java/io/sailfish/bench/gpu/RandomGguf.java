package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.model.ModelConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Writes a GGUF file of Llama 8B shapes with random weights: linears as Q4_0, embedding and head as
 * F16, a byte-level vocabulary filled up with words that nothing is encoded to.
 *
 * <pre>RandomGguf FILE [LAYERS VOCABULARY]</pre>
 */
public final class RandomGguf {
  private static final int F32 = 0;
  private static final int F16 = 1;
  private static final int Q4_0 = 2;
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int TEXT = 8;
  private static final int ARRAY = 9;
  private static final int ALIGNMENT = 32;
  private static final int BLOCK = 32;
  private static final int BLOCK_BYTES = 18;
  private static final int CHUNK_ROWS = 256;

  private record Tensor(String name, int rows, int cols, int type, long offset) {
    long rowBytes() {
      return type == Q4_0 ? (long) cols / BLOCK * BLOCK_BYTES : (long) cols * (type == F16 ? 2 : 4);
    }
  }

  private final ModelConfig model;
  private final List<Tensor> tensors = new ArrayList<>();
  private final Bytes out = new Bytes();
  private long dataBytes;

  private RandomGguf(ModelConfig model) {
    this.model = model;
  }

  public static void main(String[] args) throws IOException {
    long start = System.nanoTime();
    ModelConfig c = StepModel.LLAMA_8B;
    ModelConfig model =
        StepModel.llama8b(
            args.length > 1 ? Integer.parseInt(args[1]) : c.layers(),
            args.length > 2 ? Integer.parseInt(args[2]) : c.vocabulary());
    long bytes = new RandomGguf(model).write(Path.of(args[0]));
    System.out.printf("%d MiB in %.1f s%n", bytes >> 20, (System.nanoTime() - start) / 1e9);
  }

  private long write(Path file) throws IOException {
    list();
    header();
    long dataStart = (out.size() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(out.toByteArray()), 0);
      for (int i = 0; i < tensors.size(); i++) {
        data(channel, tensors.get(i), dataStart, i);
      }
      return dataStart + dataBytes;
    }
  }

  private void list() {
    AttentionShape shape = model.attention();
    tensor("token_embd.weight", model.vocabulary(), model.hidden(), F16);
    for (int i = 0; i < model.layers(); i++) {
      String layer = "blk." + i + ".";
      tensor(layer + "attn_norm.weight", 1, model.hidden(), F32);
      tensor(layer + "attn_q.weight", shape.qCols(), model.hidden(), Q4_0);
      tensor(layer + "attn_k.weight", shape.kvCols(), model.hidden(), Q4_0);
      tensor(layer + "attn_v.weight", shape.kvCols(), model.hidden(), Q4_0);
      tensor(layer + "attn_output.weight", model.hidden(), shape.qCols(), Q4_0);
      tensor(layer + "ffn_norm.weight", 1, model.hidden(), F32);
      tensor(layer + "ffn_gate.weight", model.inner(), model.hidden(), Q4_0);
      tensor(layer + "ffn_up.weight", model.inner(), model.hidden(), Q4_0);
      tensor(layer + "ffn_down.weight", model.hidden(), model.inner(), Q4_0);
    }
    tensor("output_norm.weight", 1, model.hidden(), F32);
    tensor("output.weight", model.vocabulary(), model.hidden(), F16);
  }

  private void tensor(String name, int rows, int cols, int type) {
    Tensor tensor = new Tensor(name, rows, cols, type, dataBytes);
    tensors.add(tensor);
    long end = dataBytes + rows * tensor.rowBytes();
    dataBytes = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private void header() {
    Bytes keys = new Bytes();
    int count = 0;
    count += keys.key("general.architecture", TEXT).text("llama");
    count += keys.key("general.name", TEXT).text("Random 8B");
    count += keys.key("llama.block_count", UINT32).u32(model.layers());
    count += keys.key("llama.embedding_length", UINT32).u32(model.hidden());
    count += keys.key("llama.feed_forward_length", UINT32).u32(model.inner());
    count += keys.key("llama.attention.head_count", UINT32).u32(model.attention().heads());
    count += keys.key("llama.attention.head_count_kv", UINT32).u32(model.attention().kvHeads());
    count += keys.key("llama.context_length", UINT32).u32(model.context());
    count +=
        keys.key("llama.attention.layer_norm_rms_epsilon", FLOAT32)
            .u32(Float.floatToIntBits(1e-5f));
    count += keys.key("llama.rope.freq_base", FLOAT32).u32(Float.floatToIntBits(500_000f));
    count += keys.key("llama.rope.dimension_count", UINT32).u32(model.attention().headDim());
    count += keys.key("tokenizer.ggml.model", TEXT).text("gpt2");
    count += keys.key("tokenizer.ggml.pre", TEXT).text("llama-bpe");
    count += keys.key("tokenizer.ggml.eos_token_id", UINT32).u32(model.vocabulary() - 1);
    count +=
        keys.key("tokenizer.chat_template", TEXT)
            .text("{% for m in messages %}{{ m.content }}{% endfor %}");
    count += keys.key("tokenizer.ggml.tokens", ARRAY).texts(tokens());
    count += keys.key("tokenizer.ggml.merges", ARRAY).texts(List.of("\u0120 t"));
    count += keys.key("tokenizer.ggml.token_type", ARRAY).types(model.vocabulary());
    out.u32(0x46554747);
    out.u32(3);
    out.u64(tensors.size());
    out.u64(count);
    out.writeBytes(keys.toByteArray());
    for (Tensor tensor : tensors) {
      out.text(tensor.name());
      out.u32(tensor.rows() == 1 ? 1 : 2);
      out.u64(tensor.cols());
      if (tensor.rows() > 1) {
        out.u64(tensor.rows());
      }
      out.u32(tensor.type());
      out.u64(tensor.offset());
    }
  }

  /** The 256 bytes as GPT-2 writes them, one merge, and words. */
  private List<String> tokens() {
    List<String> tokens = new ArrayList<>();
    int other = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
      tokens.add(String.valueOf((char) (printable ? b : other++)));
    }
    tokens.add("\u0120t");
    while (tokens.size() < model.vocabulary() - 1) {
      tokens.add("\u0120w" + tokens.size());
    }
    tokens.add("<|end_of_text|>");
    return tokens;
  }

  private static void data(FileChannel channel, Tensor tensor, long dataStart, int seed) {
    int chunks = (tensor.rows() + CHUNK_ROWS - 1) / CHUNK_ROWS;
    IntStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              int first = chunk * CHUNK_ROWS;
              int rows = Math.min(CHUNK_ROWS, tensor.rows() - first);
              ByteBuffer bytes = random(tensor, rows, seed * 1_000_003L + chunk);
              long at = dataStart + tensor.offset() + first * tensor.rowBytes();
              try {
                while (bytes.hasRemaining()) {
                  at += channel.write(bytes, at);
                }
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
  }

  /** Values of variance 1 / cols; norms are ones. */
  private static ByteBuffer random(Tensor tensor, int rows, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int length = Math.toIntExact(rows * tensor.rowBytes());
    ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    if (tensor.type() == F32) {
      while (bytes.hasRemaining()) {
        bytes.putFloat(1f);
      }
    } else if (tensor.type() == F16) {
      float amplitude = (float) Math.sqrt(3.0 / tensor.cols());
      while (bytes.hasRemaining()) {
        float value = (random.nextInt() >> 8) / (float) (1 << 23);
        bytes.putShort(TwoByteFloat.F16.encode(value * amplitude));
      }
    } else {
      short scale = TwoByteFloat.F16.encode((float) (1 / (4.5 * Math.sqrt(tensor.cols()))));
      while (bytes.hasRemaining()) {
        bytes.putShort(scale);
        bytes.putLong(codes(random.nextLong()));
        bytes.putLong(codes(random.nextLong()));
      }
    }
    return bytes.flip();
  }

  /** Codes of 0, which would pull the mean below zero, become 8, the code of zero. */
  private static long codes(long bits) {
    long any = bits | bits >>> 1;
    any |= any >>> 2;
    long zeros = ~any & 0x1111_1111_1111_1111L;
    return bits | zeros << 3;
  }

  /** Little-endian, as GGUF has it. */
  private static final class Bytes extends ByteArrayOutputStream {
    Bytes key(String key, int type) {
      text(key);
      u32(type);
      return this;
    }

    int u32(int value) {
      for (int i = 0; i < 4; i++) {
        write(value >> 8 * i);
      }
      return 1;
    }

    void u64(long value) {
      u32((int) value);
      u32((int) (value >> 32));
    }

    int text(String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      u64(bytes.length);
      writeBytes(bytes);
      return 1;
    }

    int texts(List<String> texts) {
      u32(TEXT);
      u64(texts.size());
      texts.forEach(this::text);
      return 1;
    }

    /** Plain tokens, and a control token at the end. */
    int types(int count) {
      u32(INT32);
      u64(count);
      for (int i = 0; i < count; i++) {
        u32(i == count - 1 ? 3 : 1);
      }
      return 1;
    }
  }
}
