package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedWeight;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes models as one file ({@link SailfishFile} draws it): under another name first, renamed when
 * every byte is on the disk, so that a full disk or a killed process never leaves half a model
 * under the name that was asked for. The same model gives the same bytes.
 */
public final class SailfishWriter {
  /** Ending of the names of models in this format. */
  public static final String ENDING = ".sailfish";

  private static final int CHUNK = 1 << 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * What a model is besides its tensors.
   *
   * @param provenance where it comes from and what was done to it; kept as it is
   */
  public record Description(
      ModelConfig config,
      String tokenizerJson,
      TokenizerConfig tokenizer,
      String chatTemplate,
      ObjectNode provenance) {

    /** Everything of a checkpoint but its tensors. */
    public static Description of(Checkpoint checkpoint, ObjectNode provenance) {
      return new Description(
          checkpoint.config(),
          checkpoint.tokenizerJson(),
          checkpoint.tokenizerConfig(),
          checkpoint.chatTemplate().orElse(null),
          provenance);
    }
  }

  /** Told of the bytes of tensors that are written. */
  public interface Progress {
    void written(long bytes, long ofBytes);
  }

  private final Path target;
  private final Progress progress;
  private long written;
  private long tensorBytes;
  private final ObjectNode header = JSON.createObjectNode();
  private final Map<String, WeightSource> tensors;
  private final Map<FusedWeights, PackedWeight> packed = new LinkedHashMap<>();
  private final byte[] tokenizerJson;

  private SailfishWriter(
      Path target, Description model, Map<String, WeightSource> tensors, Progress progress) {
    this.target = target.toAbsolutePath();
    this.progress = progress;
    this.tensors = tensors;
    this.tokenizerJson =
        model == null ? new byte[0] : model.tokenizerJson().getBytes(StandardCharsets.UTF_8);
    header.put("version", SailfishFile.VERSION);
    if (model != null) {
      header.set("config", SailfishConfig.write(model.config()));
      header.set("tokenizer", SailfishConfig.write(model.tokenizer()));
      if (model.chatTemplate() != null) {
        header.put("chat_template", model.chatTemplate());
      }
      header.set("provenance", model.provenance());
    }
  }

  /**
   * Writes a whole model.
   *
   * @param tensors by our names, as {@link Checkpoint#tensor} has them; read in this order
   * @throws RuntimeFailure when the file cannot be written; nothing is left then
   */
  public static void write(Path target, Description model, Map<String, WeightSource> tensors) {
    write(target, model, tensors, (bytes, of) -> {});
  }

  /** The same for somebody who waits for it. */
  public static void write(
      Path target, Description model, Map<String, WeightSource> tensors, Progress progress) {
    new SailfishWriter(target, model, new LinkedHashMap<>(tensors), progress).write();
  }

  /**
   * Writes a whole model with its matrices in the layout in which a card keeps them, as far as that
   * loses nothing: such a file is copied to the card as it is. Other backends read the rows back.
   */
  public static void writePacked(
      Path target, Description model, Map<String, WeightSource> tensors) {
    writePacked(target, model, tensors, (bytes, of) -> {});
  }

  /** The same for somebody who waits for it. */
  public static void writePacked(
      Path target, Description model, Map<String, WeightSource> tensors, Progress progress) {
    SailfishWriter writer =
        new SailfishWriter(target, model, new LinkedHashMap<>(tensors), progress);
    writer.pack(model.config());
    writer.write();
  }

  /** Writes tensors alone: a part of a model that is in the making. */
  public static void writePart(Path target, Map<String, WeightSource> tensors) {
    new SailfishWriter(target, null, new LinkedHashMap<>(tensors), (bytes, of) -> {}).write();
  }

  private void pack(ModelConfig config) {
    for (FusedWeights fused : FusedWeights.of(config)) {
      List<WeightSource> parts = fused.parts().stream().map(tensors::get).toList();
      PackedWeight weight = PackedWeight.of(parts, fused.gated(), fused.vocabulary());
      if (weight != null) {
        packed.put(fused, weight);
      }
    }
    if (!packed.isEmpty()) {
      header.put("version", SailfishFile.VERSION_PACKED);
    }
  }

  private void write() {
    long dataBytes = layOut();
    Path unfinished = null;
    try {
      unfinished = Files.createTempFile(target.getParent(), "." + target.getFileName(), ".part");
      try (FileChannel file = open(unfinished)) {
        byte[] head = headBytes();
        long dataStart = SailfishFile.aligned(SailfishFile.HEADER_AT + head.length);
        writeData(file, dataStart);
        writePacked(file, dataStart);
        // Digests have a fixed length, so the header keeps its own.
        writeHead(file, headBytes(), dataBytes);
        extend(file, dataStart + dataBytes);
        file.force(true);
      }
      Files.move(
          unfinished, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException | UncheckedIOException e) {
      throw new RuntimeFailure(
          Kind.USER, "%s: cannot be written: %s; nothing is left of it".formatted(target, e), e);
    } finally {
      delete(unfinished);
    }
  }

  private static FileChannel open(Path file) throws IOException {
    return FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }

  private static void delete(Path unfinished) {
    try {
      if (unfinished != null) {
        Files.deleteIfExists(unfinished);
      }
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, unfinished + ": cannot be deleted: " + e, e);
    }
  }

  /** Gives every tensor its place; returns the bytes of all. */
  private long layOut() {
    long at = 0;
    header.put("tokenizer_json_offset", at).put("tokenizer_json_bytes", tokenizerJson.length);
    at = SailfishFile.aligned(tokenizerJson.length);
    ObjectNode entries = header.putObject("tensors");
    for (Map.Entry<String, WeightSource> e : tensors.entrySet()) {
      WeightSource source = e.getValue();
      ObjectNode entry = entries.putObject(e.getKey());
      entry.put("format", source.format().id());
      entry.put("rows", source.rows()).put("cols", source.cols());
      if (!putPlace(e.getKey(), entry)) {
        long bytes = source.rows() * source.format().rowBytes(source.cols());
        at = put(entry, at, bytes);
      }
      int[] order = source.inputOrder();
      if (order != null) {
        entry.put("order_offset", at);
        at = SailfishFile.aligned(at + 4L * order.length);
      }
    }
    return packed.isEmpty() ? at : layOutPacked(at);
  }

  private long put(ObjectNode entry, long at, long bytes) {
    tensorBytes += bytes;
    entry.put("offset", at).put("bytes", bytes).put("sha256", "0".repeat(64));
    return SailfishFile.aligned(at + bytes);
  }

  /** Says where in a packed weight a tensor is; false when it is in none. */
  private boolean putPlace(String tensor, ObjectNode entry) {
    for (FusedWeights fused : packed.keySet()) {
      int part = fused.parts().indexOf(tensor);
      if (part >= 0) {
        int first = part;
        for (int before = 0; !fused.gated() && before < part; before++) {
          first += tensors.get(fused.parts().get(before)).rows() - 1;
        }
        entry.put("packed", fused.name()).put("first", first).put("step", fused.gated() ? 2 : 1);
        return true;
      }
    }
    return false;
  }

  private long layOutPacked(long start) {
    long at = start;
    header.put("packed_version", PackedForm.VERSION);
    ObjectNode entries = header.putObject("packed");
    for (Map.Entry<FusedWeights, PackedWeight> e : packed.entrySet()) {
      ObjectNode entry = entries.putObject(e.getKey().name());
      PackedEntries.write(e.getValue().form(), entry);
      at = put(entry, at, e.getValue().form().bytes());
      byte[] tables = e.getValue().tableBytes();
      if (tables != null) {
        entry.put("tables_offset", at);
        at = SailfishFile.aligned(at + tables.length);
      }
    }
    return at;
  }

  private void writePacked(FileChannel file, long dataStart) throws IOException {
    for (Map.Entry<FusedWeights, PackedWeight> e : packed.entrySet()) {
      ObjectNode entry = (ObjectNode) header.get("packed").get(e.getKey().name());
      long start = dataStart + entry.get("offset").asLong();
      e.getValue()
          .pack(
              (panel, offset, bytes) -> {
                try {
                  put(file, ByteBuffer.wrap(bytes), start + offset);
                  advance(bytes.length);
                } catch (IOException failure) {
                  throw new UncheckedIOException(failure);
                }
              });
      entry.put("sha256", digest(file, start, e.getValue().form().bytes()));
      byte[] tables = e.getValue().tableBytes();
      if (tables != null) {
        put(file, ByteBuffer.wrap(tables), dataStart + entry.get("tables_offset").asLong());
      }
    }
  }

  /** Panels are written in any order, so their digest is taken of what was written. */
  private static String digest(FileChannel file, long start, long bytes) throws IOException {
    MessageDigest digest = sha256();
    ByteBuffer part = ByteBuffer.allocate(CHUNK);
    for (long at = start; at < start + bytes; ) {
      part.clear().limit((int) Math.min(CHUNK, start + bytes - at));
      at += file.read(part, at);
      digest.update(part.flip());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private byte[] headBytes() throws IOException {
    return JSON.writeValueAsBytes(header);
  }

  private static void writeHead(FileChannel file, byte[] head, long dataBytes) throws IOException {
    ByteBuffer start =
        ByteBuffer.allocate(SailfishFile.HEADER_AT + head.length).order(ByteOrder.LITTLE_ENDIAN);
    start.put(SailfishFile.MAGIC.getBytes(StandardCharsets.US_ASCII));
    start.putLong(head.length).putLong(dataBytes).put(head).flip();
    put(file, start, 0);
  }

  private void writeData(FileChannel file, long dataStart) throws IOException {
    put(file, ByteBuffer.wrap(tokenizerJson), dataStart);
    for (Map.Entry<String, WeightSource> e : tensors.entrySet()) {
      ObjectNode entry = (ObjectNode) header.get("tensors").get(e.getKey());
      WeightSource source = e.getValue();
      if (!entry.has("packed")) {
        MessageDigest digest = sha256();
        writeRows(file, source, dataStart + entry.get("offset").asLong(), digest);
        entry.put("sha256", HexFormat.of().formatHex(digest.digest()));
      }
      int[] order = source.inputOrder();
      if (order != null) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * order.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(order);
        put(file, bytes, dataStart + entry.get("order_offset").asLong());
      }
    }
  }

  /** Panels come from several threads. */
  private synchronized void advance(long bytes) {
    written += bytes;
    progress.written(written, tensorBytes);
  }

  private void writeRows(FileChannel file, WeightSource source, long start, MessageDigest digest)
      throws IOException {
    long rowBytes = source.format().rowBytes(source.cols());
    int rowsAtOnce = (int) Math.max(1, Math.min(source.rows(), CHUNK / rowBytes));
    ByteBuffer rows =
        ByteBuffer.allocate(Math.toIntExact(rowsAtOnce * rowBytes)).order(ByteOrder.LITTLE_ENDIAN);
    for (int first = 0; first < source.rows(); first += rowsAtOnce) {
      source.readRows(first, Math.min(rowsAtOnce, source.rows() - first), rows.clear());
      digest.update(rows.flip().duplicate());
      advance(rows.remaining());
      put(file, rows, start + first * rowBytes);
    }
  }

  private static void put(FileChannel file, ByteBuffer bytes, long at) throws IOException {
    for (long to = at; bytes.hasRemaining(); ) {
      to += file.write(bytes, to);
    }
  }

  /** The last tensor may end before the next multiple of the alignment, and there may be none. */
  private static void extend(FileChannel file, long size) throws IOException {
    if (file.size() < size) {
      put(file, ByteBuffer.allocate(1), size - 1);
    }
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
