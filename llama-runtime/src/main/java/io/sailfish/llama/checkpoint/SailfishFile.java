package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedPanels;
import io.sailfish.kernels.format.packed.PackedRows;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
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

  /** Of files with packed weights, which the first readers did not know. */
  static final int VERSION_PACKED = 2;

  static final int HEADER_AT = 24;
  private static final int ALIGNMENT = 256;
  private static final long MAX_HEADER = 64 << 20;
  private static final int MOST_DIM = 1 << 30;

  private final FileBytes file;
  private final JsonFields header;
  private final long dataStart;
  private final long dataBytes;
  private final Map<String, Packed> packed = new LinkedHashMap<>();
  private final Map<Rows, PackedPanels> panels = new HashMap<>();
  private final Map<String, WeightSource> tensors = new LinkedHashMap<>();

  /** Rows of a packed weight in the format that they had. */
  private record Rows(String weight, QuantFormat format) {}

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
    if (header.integer("version", VERSION, VERSION_PACKED) == VERSION_PACKED) {
      header.integer("packed_version", PackedForm.VERSION, PackedForm.VERSION);
      JsonFields weights = header.object("packed");
      weights.keys().forEach(name -> packed.put(name, packed(name, weights.object(name))));
    }
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

  /** A weight as a card keeps it. */
  private record Packed(FileBytes file, String name, PackedForm form, long offset, String sha256)
      implements PackedSource {
    @Override
    public void read(long at, ByteBuffer dst) {
      if (at < 0 || at > form.bytes() - dst.remaining()) {
        throw new IndexOutOfBoundsException(
            "weight %s: bytes [%d, +%d) of %d".formatted(name, at, dst.remaining(), form.bytes()));
      }
      file.read(offset + at, dst);
    }
  }

  private Packed packed(String name, JsonFields entry) {
    PackedForm form =
        PackedEntries.read(
            entry,
            MOST_DIM,
            bytes -> {
              // The place first: nothing is allocated that the file does not hold.
              long offset = place(entry, "tables_offset", bytes);
              ByteBuffer tables = ByteBuffer.allocate(Math.toIntExact(bytes));
              file.read(offset, tables);
              return tables.array();
            });
    if (entry.bigInteger("bytes", 0, Long.MAX_VALUE / 2) != form.bytes()) {
      throw entry.fail("bytes", entry.value("bytes"), "the weight takes " + form.bytes());
    }
    long offset = place(entry, "offset", form.bytes());
    return new Packed(file, name, form, offset, entry.text("sha256"));
  }

  /** Rows of a packed weight. */
  private WeightSource part(String name, JsonFields entry, QuantFormat format, int rows, int cols) {
    Packed weight = packed.get(entry.text("packed"));
    if (weight == null) {
      throw entry.fail("packed", entry.text("packed"), "weights are " + packed.keySet());
    }
    PackedForm form = weight.form();
    int step = entry.integer("step", 1, 2);
    int first = entry.integer("first", 0, form.rows() - 1);
    boolean inside =
        cols == form.cols()
            && step == (form.gated() ? 2 : 1)
            && first + (rows - 1L) * step < form.rows();
    if (!inside || !PackedRows.returns(format, form)) {
      throw entry.fail(
          "packed",
          weight.name(),
          "[%d, %d] of %s in steps of %d from %d on do not lie in %s"
              .formatted(rows, cols, format.id(), step, first, form));
    }
    PackedPanels panels =
        this.panels.computeIfAbsent(
            new Rows(weight.name(), format), of -> new PackedPanels(weight, format));
    return new PackedRows(name, rows, panels, first, step);
  }

  private WeightSource tensor(String name, JsonFields entry) {
    QuantFormat format = format(entry);
    int rows = entry.integer("rows", 1, MOST_DIM);
    int cols = entry.integer("cols", 1, MOST_DIM);
    if (cols % format.blockLength() != 0) {
      throw entry.fail("cols", cols, "must be a multiple of " + format.blockLength());
    }
    if (entry.has("packed")) {
      WeightSource part = part(name, entry, format, rows, cols);
      return entry.has("order_offset") ? new OrderedRows(part, order(entry, cols)) : part;
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
    long offset = place(entry, "order_offset", 4L * cols);
    if (cols > Integer.MAX_VALUE / 4) {
      throw entry.fail("cols", cols, "too many to be reordered");
    }
    ByteBuffer bytes = ByteBuffer.allocate(4 * cols).order(ByteOrder.LITTLE_ENDIAN);
    file.read(offset, bytes);
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

  /** A weight as a card keeps it; null when the file has none of that name. */
  PackedSource packed(String name) {
    return packed.get(name);
  }

  /**
   * Reads every tensor and compares its digest.
   *
   * @throws RuntimeFailure for the first that differs
   */
  public void verify() {
    for (WeightSource source : tensors.values()) {
      if (source instanceof Tensor tensor) {
        long bytes = tensor.rows() * tensor.format().rowBytes(tensor.cols());
        verify("tensor " + tensor.name(), tensor.offset(), bytes, tensor.sha256());
      }
    }
    for (Packed weight : packed.values()) {
      verify("weight " + weight.name(), weight.offset(), weight.form().bytes(), weight.sha256());
    }
  }

  private void verify(String what, long offset, long bytes, String expected) {
    String found = HexFormat.of().formatHex(digest(offset, offset + bytes));
    if (!found.equals(expected)) {
      throw fail(
          JsonFields.shown(what),
          "sha256 " + found,
          "was written as %s: the file is damaged".formatted(JsonFields.shown(expected)));
    }
  }

  private byte[] digest(long offset, long end) {
    java.security.MessageDigest digest = SailfishWriter.sha256();
    ByteBuffer part = ByteBuffer.allocate(1 << 20);
    for (long at = offset; at < end; at += part.capacity()) {
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
