package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Our own file of a model, little endian (docs/adr/0010-own-file.md):
 *
 * <pre>
 * byte 0           8              16           24                    a multiple of 256
 *      | SAILFISH  | header bytes | data bytes | header, JSON | zeros | data                          |
 *                                                                     | tokenizer.json | tensor | ... |
 * </pre>
 *
 * The header says of each tensor its format, shape, offset from the start of the data and digest. A
 * tensor's rows lie one behind the other in their {@link QuantFormat}, which is what backends pack
 * from; each tensor starts at a multiple of 256.
 *
 * <p>Nothing in it is believed: every length and offset is checked against the file before it is
 * used.
 */
public final class SailfishFile implements AutoCloseable {
  static final String MAGIC = "SAILFISH";
  static final int VERSION = 1;
  static final int HEADER_AT = 24;
  private static final int ALIGNMENT = 256;
  private static final long MAX_HEADER = 64 << 20;
  private static final int MOST_DIM = 1 << 30;

  private final FileBytes file;
  private final JsonFields header;
  private final long dataStart;
  private final long dataBytes;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  /**
   * A tensor of the file.
   *
   * @param offset of its first byte in the file
   * @param inputOrder as {@link WeightSource#inputOrder}
   */
  private record Tensor(
      FileBytes file,
      String name,
      QuantFormat format,
      int rows,
      int cols,
      long offset,
      int[] inputOrder,
      String sha256)
      implements WeightSource {

    @Override
    public int[] inputOrder() {
      return inputOrder == null ? null : inputOrder.clone();
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      SourceRows.check(this, firstRow, numRows, dst);
      long rowBytes = format.rowBytes(cols);
      int limit = dst.limit();
      dst.limit(dst.position() + (int) (numRows * rowBytes));
      try {
        file.read(offset + firstRow * rowBytes, dst);
      } finally {
        dst.limit(limit);
      }
    }
  }

  private SailfishFile(FileBytes file) {
    this.file = file;
    if (file.size() < HEADER_AT) {
      throw fail("header", "(none)", "the file ends before it");
    }
    ByteBuffer start = ByteBuffer.allocate(HEADER_AT).order(ByteOrder.LITTLE_ENDIAN);
    file.read(0, start);
    String magic = new String(start.array(), 0, MAGIC.length(), StandardCharsets.ISO_8859_1);
    if (!magic.equals(MAGIC)) {
      throw fail("first bytes", "'" + magic + "'", "must be " + MAGIC);
    }
    long length = start.getLong(8);
    if (length < 2 || length > MAX_HEADER || length > file.size() - HEADER_AT) {
      throw fail(
          "header length",
          Long.toUnsignedString(length),
          "must lie in [2, %d]".formatted(Math.min(MAX_HEADER, file.size() - HEADER_AT)));
    }
    // Before the header is parsed, which takes several times its length.
    this.dataStart = aligned(HEADER_AT + length);
    this.dataBytes = start.getLong(16);
    if (dataBytes < 0 || dataBytes != file.size() - dataStart) {
      throw fail(
          "data bytes",
          Long.toUnsignedString(dataBytes),
          "after the header the file has %d: it is truncated or damaged"
              .formatted(Math.max(0, file.size() - dataStart)));
    }
    this.header = JsonFields.parse(file.path(), text(HEADER_AT, (int) length));
    header.integer("version", VERSION, VERSION);
    JsonFields entries = header.object("tensors");
    entries.keys().forEach(name -> tensors.put(name, tensor(name, entries.object(name))));
  }

  /**
   * @throws RuntimeFailure of kind USER for a file that is damaged or of another kind
   */
  public static SailfishFile open(Path path) {
    FileBytes file = FileBytes.open(path);
    try {
      return new SailfishFile(file);
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  static long aligned(long offset) {
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private Tensor tensor(String name, JsonFields entry) {
    QuantFormat format = format(entry);
    int rows = entry.integer("rows", 1, MOST_DIM);
    int cols = entry.integer("cols", 1, MOST_DIM);
    if (cols % format.blockLength() != 0) {
      throw entry.fail("cols", cols, "must be a multiple of " + format.blockLength());
    }
    long bytes = rows * format.rowBytes(cols);
    if (entry.bigInteger("bytes", 0, Long.MAX_VALUE / 2) != bytes) {
      throw entry.fail(
          "bytes",
          entry.value("bytes"),
          "%d x %d of %s take %d".formatted(rows, cols, format.id(), bytes));
    }
    long offset = place(entry, "offset", bytes);
    int[] order = entry.has("order_offset") ? order(entry, cols) : null;
    return new Tensor(file, name, format, rows, cols, offset, order, entry.text("sha256"));
  }

  private static QuantFormat format(JsonFields entry) {
    String id = entry.text("format");
    return Arrays.stream(QuantFormat.values())
        .filter(f -> f.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                entry.fail(
                    "format",
                    id,
                    "formats known are "
                        + Arrays.stream(QuantFormat.values()).map(QuantFormat::id).toList()));
  }

  /** Offset in the file of something that lies wholly in the data. */
  private long place(JsonFields entry, String key, long bytes) {
    long offset = entry.bigInteger(key, 0, Long.MAX_VALUE / 2);
    if (offset % ALIGNMENT != 0 || offset > dataBytes - bytes) {
      throw entry.fail(
          key,
          offset,
          "must be a multiple of %d, with %d bytes from there on in the data of %d"
              .formatted(ALIGNMENT, bytes, dataBytes));
    }
    return dataStart + offset;
  }

  /** Each input once. */
  private int[] order(JsonFields entry, int cols) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * cols).order(ByteOrder.LITTLE_ENDIAN);
    file.read(place(entry, "order_offset", 4L * cols), bytes);
    int[] order = new int[cols];
    boolean[] seen = new boolean[cols];
    for (int i = 0; i < cols; i++) {
      order[i] = bytes.getInt(4 * i);
      if (order[i] < 0 || order[i] >= cols || seen[order[i]]) {
        throw entry.fail(
            "order_offset", order[i], "position %d: must name each input once".formatted(i));
      }
      seen[order[i]] = true;
    }
    return order;
  }

  private String text(long at, int bytes) {
    byte[] text = new byte[bytes];
    file.read(at, ByteBuffer.wrap(text));
    return new String(text, StandardCharsets.UTF_8);
  }

  JsonFields header() {
    return header;
  }

  String tokenizerJson() {
    int bytes = header.integer("tokenizer_json_bytes", 0, Integer.MAX_VALUE - 8);
    return text(place(header, "tokenizer_json_offset", bytes), bytes);
  }

  /** Tensors by our names, in the order of the file. */
  public Map<String, WeightSource> tensors() {
    return new LinkedHashMap<>(tensors);
  }

  /**
   * Reads every tensor and compares its digest.
   *
   * @throws RuntimeFailure for the first that differs
   */
  public void verify() {
    for (Tensor tensor : tensors.values()) {
      String found = HexFormat.of().formatHex(digest(tensor));
      if (!found.equals(tensor.sha256())) {
        throw fail(
            "tensor " + JsonFields.shown(tensor.name()),
            "sha256 " + found,
            "was written as %s: the file is damaged".formatted(JsonFields.shown(tensor.sha256())));
      }
    }
  }

  private byte[] digest(Tensor tensor) {
    java.security.MessageDigest digest = SailfishWriter.sha256();
    long end = tensor.offset() + tensor.rows() * tensor.format().rowBytes(tensor.cols());
    ByteBuffer part = ByteBuffer.allocate(1 << 20);
    for (long at = tensor.offset(); at < end; at += part.capacity()) {
      part.clear().limit((int) Math.min(part.capacity(), end - at));
      file.read(at, part);
      digest.update(part.flip());
    }
    return digest.digest();
  }

  private RuntimeFailure fail(String what, String value, String problem) {
    return new RuntimeFailure(
        Kind.USER, "%s: %s = %s: %s".formatted(file.path(), what, value, problem), null);
  }

  @Override
  public void close() {
    file.close();
  }
}
