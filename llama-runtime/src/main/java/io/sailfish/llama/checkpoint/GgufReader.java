package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.GgufMetadata.Type;
import io.sailfish.llama.checkpoint.GgufMetadata.Value;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads GGUF files of version 2 and 3, little endian (layout: ggml's docs/gguf.md).
 *
 * <p>Files are downloaded from anywhere, so nothing in them is believed: every count, length,
 * offset and product is checked against the file before it is used. Whatever is wrong ends in one
 * {@link RuntimeFailure} of kind USER that names file, field and value; memory taken stays in
 * proportion to the file.
 */
final class GgufReader implements AutoCloseable {
  /** "GGUF" read as a little-endian number. */
  static final int MAGIC = 0x46554747;

  // The format allows 65535; those in use are shorter than 100.
  private static final int MAX_KEY_BYTES = 4096;
  // ggml allows 64 with the closing zero; converters of other projects write a little more.
  private static final int MAX_TENSOR_NAME_BYTES = 256;
  private static final int MAX_DIMS = 4;
  // Far above any model; bounds the time spent on a large file that is all header.
  private static final int MAX_KEYS = 1 << 16;
  private static final int MAX_TENSORS = 1 << 16;
  private static final int DEFAULT_ALIGNMENT = 32;
  private static final int MAX_ALIGNMENT = 1 << 20;
  // Smallest entries: empty key, type, one byte; empty name, dimension count, one dim, type, offset
  private static final int MIN_KEY_BYTES = 8 + 4 + 1;
  private static final int MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;

  private final FileBytes file;
  private final GgufMetadata metadata;
  private final Map<String, GgufTensor> tensors = new LinkedHashMap<>();

  private GgufReader(FileBytes file) {
    this.file = file;
    this.metadata = new GgufMetadata(file);
  }

  static GgufReader open(Path path) {
    GgufReader reader = new GgufReader(FileBytes.open(path));
    try {
      reader.parse();
      return reader;
    } catch (Throwable t) {
      reader.close();
      throw t;
    }
  }

  Path path() {
    return file.path();
  }

  GgufMetadata metadata() {
    return metadata;
  }

  /** By the file's names, in the file's order. */
  Map<String, GgufTensor> tensors() {
    return tensors;
  }

  RuntimeFailure fail(String what, String value, String problem) {
    return GgufCursor.fail(file, what, value, problem);
  }

  @Override
  public void close() {
    file.close();
  }

  private void parse() {
    GgufCursor in = new GgufCursor(file, 0, file.size());
    int magic = in.i32("magic");
    if (magic != MAGIC) {
      throw in.fail("magic", "0x%08x".formatted(magic), "a GGUF file starts with the bytes GGUF");
    }
    checkVersion(in);
    long numTensors = count(in, "tensor count", MAX_TENSORS, MIN_TENSOR_BYTES);
    long numKeys = count(in, "key count", MAX_KEYS, MIN_KEY_BYTES);
    for (long i = 0; i < numKeys; i++) {
      readKey(in, i);
    }
    int alignment = metadata.integer("general.alignment", 8, MAX_ALIGNMENT, DEFAULT_ALIGNMENT);
    if (Integer.bitCount(alignment) != 1) {
      throw metadata.fail("general.alignment", "" + alignment, "must be a power of two");
    }
    List<TensorInfo> infos = new ArrayList<>();
    for (long i = 0; i < numTensors; i++) {
      infos.add(readTensorInfo(in, i, alignment));
    }
    long dataStart = (in.position() + alignment - 1) / alignment * alignment;
    for (TensorInfo info : infos) {
      locate(info, dataStart);
    }
    checkOverlap();
  }

  private void checkVersion(GgufCursor in) {
    int version = in.i32("version");
    if (version == 2 || version == 3) {
      return;
    }
    int swapped = Integer.reverseBytes(version);
    String shown = Integer.toUnsignedString(version);
    if (swapped == 2 || swapped == 3) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s: version = %s: a big-endian GGUF file; convert it to little endian (gguf-py"
                  .formatted(file.path(), shown)
              + " gguf_convert_endian)",
          null);
    }
    throw in.fail("version", shown, "versions 2 and 3 are read");
  }

  private static long count(GgufCursor in, String what, int max, int minBytesEach) {
    return in.count(what, Math.min(max, Math.max(0, in.remaining() - 8) / minBytesEach));
  }

  private void readKey(GgufCursor in, long index) {
    String what = "key " + index;
    String key = in.text(in.length(what + " length", MAX_KEY_BYTES), what);
    if (!metadata.add(key, readValue(in, "key " + key))) {
      throw in.fail(what, key, "occurs twice");
    }
  }

  private static Type readType(GgufCursor in, String what) {
    long number = in.u32(what + " type");
    if (number >= Type.values().length) {
      throw in.fail(what + " type", "" + number, "types go from 0 to 12");
    }
    return Type.values()[(int) number];
  }

  private Value readValue(GgufCursor in, String what) {
    Type type = readType(in, what);
    return switch (type) {
      case ARRAY -> readArray(in, what);
      case STRING -> {
        long bytes = in.count(what + " length", Math.max(0, in.remaining() - 8));
        Value value = new Value(type, 0, null, in.position(), bytes, bytes);
        in.skip(bytes, what);
        yield value;
      }
      default -> new Value(type, readScalar(in, type, what), null, 0, 0, 0);
    };
  }

  private static long readScalar(GgufCursor in, Type type, String what) {
    return switch (type) {
      case UINT8 -> in.u8(what);
      case INT8 -> (byte) in.u8(what);
      case UINT16 -> in.i16(what) & 0xffff;
      case INT16 -> in.i16(what);
      case UINT32 -> in.u32(what);
      case INT32 -> in.i32(what);
      case UINT64, INT64 -> in.i64(what);
      case FLOAT32 -> Double.doubleToRawLongBits(Float.intBitsToFloat(in.i32(what)));
      case FLOAT64 -> in.i64(what);
      case BOOL -> {
        int b = in.u8(what);
        if (b > 1) {
          throw in.fail(what, "" + b, "a truth value is 0 or 1");
        }
        yield b;
      }
      case STRING, ARRAY -> throw new AssertionError(type);
    };
  }

  private Value readArray(GgufCursor in, String what) {
    Type element = readType(in, what + " element");
    if (element == Type.ARRAY) {
      throw in.fail(what, "an array of arrays", "no Llama model has one");
    }
    int minBytes = element == Type.STRING ? 8 : element.bytes;
    long count = in.count(what + " count", Math.max(0, in.remaining() - 8) / minBytes);
    long start = in.position();
    if (element == Type.STRING) {
      String length = what + " text length";
      for (long i = 0; i < count; i++) {
        long bytes = in.count(length, Math.max(0, in.remaining() - 8));
        in.skip(bytes, what);
      }
    } else {
      in.skip(count * element.bytes, what);
    }
    return new Value(Type.ARRAY, 0, element, start, count, in.position() - start);
  }

  /** What the header says of a tensor; {@code offset} counts from the start of the data. */
  private record TensorInfo(String name, QuantFormat format, int rows, int cols, long offset) {}

  private TensorInfo readTensorInfo(GgufCursor in, long index, int alignment) {
    String at = "tensor " + index;
    String name = in.text(in.length(at + " name length", MAX_TENSOR_NAME_BYTES), at + " name");
    String what = "tensor " + name;
    long numDims = in.u32(what + " dimensions");
    if (numDims < 1 || numDims > MAX_DIMS) {
      throw in.fail(what + " dimensions", "" + numDims, "there may be 1 to " + MAX_DIMS);
    }
    long cols = dim(in, what);
    long rows = 1;
    for (int d = 1; d < numDims; d++) {
      long dim = dim(in, what);
      if (dim > Integer.MAX_VALUE / rows) {
        throw in.fail(what + " rows", rows + " x " + dim, "more than 2^31 - 1");
      }
      rows *= dim;
    }
    long type = in.u32(what + " type");
    QuantFormat format = GgmlType.format(type);
    if (format == null) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s: %s has type %s; types read are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to"
                  .formatted(file.path(), what, GgmlType.describe(type))
              + " Q6_K and IQ4_NL: quantize the model to one of them (llama-quantize)",
          null);
    }
    if (cols % format.blockLength() != 0) {
      throw in.fail(
          what + " columns", "" + cols, "no multiple of " + format.id() + "'s block length");
    }
    long offset = in.i64(what + " offset");
    if (offset < 0 || offset % alignment != 0) {
      throw in.fail(what + " offset", Long.toUnsignedString(offset), "no multiple of " + alignment);
    }
    return new TensorInfo(name, format, (int) rows, (int) cols, offset);
  }

  private static long dim(GgufCursor in, String what) {
    long dim = in.i64(what + " dimension");
    if (dim < 1 || dim > Integer.MAX_VALUE) {
      throw in.fail(what + " dimension", Long.toUnsignedString(dim), "must lie in [1, 2^31 - 1]");
    }
    return dim;
  }

  private void locate(TensorInfo t, long dataStart) {
    // Compared by division and difference: the product may have 65 bits.
    long rowBytes = t.format.rowBytes(t.cols);
    long dataBytes = Math.max(0, file.size() - dataStart);
    if (t.offset > dataBytes || t.rows > (dataBytes - t.offset) / rowBytes) {
      throw fail(
          "tensor " + t.name,
          "%d rows of %d bytes from %d on".formatted(t.rows, rowBytes, t.offset),
          "the file has %d bytes of data: it is truncated".formatted(dataBytes));
    }
    GgufTensor tensor =
        new GgufTensor(file, t.name, t.format, t.rows, t.cols, dataStart + t.offset);
    if (tensors.putIfAbsent(t.name, tensor) != null) {
      throw fail("tensor", t.name, "occurs twice");
    }
  }

  private void checkOverlap() {
    List<GgufTensor> byOffset = new ArrayList<>(tensors.values());
    byOffset.sort(Comparator.comparingLong(GgufTensor::offset));
    for (int i = 1; i < byOffset.size(); i++) {
      GgufTensor before = byOffset.get(i - 1);
      GgufTensor after = byOffset.get(i);
      if (after.offset() < before.offset() + before.bytes()) {
        throw fail(
            "tensor " + after.name() + " offset",
            "" + after.offset(),
            "overlaps tensor %s at %d with %d bytes"
                .formatted(before.name(), before.offset(), before.bytes()));
      }
    }
  }
}
