package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
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

  private final Path target;
  private final ObjectNode header = JSON.createObjectNode();
  private final Map<String, WeightSource> tensors;
  private final byte[] tokenizerJson;

  private SailfishWriter(Path target, Description model, Map<String, WeightSource> tensors) {
    this.target = target.toAbsolutePath();
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
    new SailfishWriter(target, model, new LinkedHashMap<>(tensors)).write();
  }

  /** Writes tensors alone: a part of a model that is in the making. */
  public static void writePart(Path target, Map<String, WeightSource> tensors) {
    new SailfishWriter(target, null, new LinkedHashMap<>(tensors)).write();
  }

  private void write() {
    long dataBytes = layOut();
    Path unfinished = null;
    try {
      unfinished = Files.createTempFile(target.getParent(), "." + target.getFileName(), ".part");
      try (FileChannel file = FileChannel.open(unfinished, StandardOpenOption.WRITE)) {
        byte[] head = headBytes();
        long dataStart = SailfishFile.aligned(SailfishFile.HEADER_AT + head.length);
        writeData(file, dataStart);
        // Digests have a fixed length, so the header keeps its own.
        writeHead(file, headBytes(), dataBytes);
        extend(file, dataStart + dataBytes);
        file.force(true);
      }
      Files.move(
          unfinished, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.USER, "%s: cannot be written: %s; nothing is left of it".formatted(target, e), e);
    } finally {
      delete(unfinished);
    }
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
      long bytes = source.rows() * source.format().rowBytes(source.cols());
      ObjectNode entry = entries.putObject(e.getKey());
      entry.put("format", source.format().id());
      entry.put("rows", source.rows()).put("cols", source.cols());
      entry.put("offset", at).put("bytes", bytes);
      entry.put("sha256", "0".repeat(64));
      at = SailfishFile.aligned(at + bytes);
      int[] order = source.inputOrder();
      if (order != null) {
        entry.put("order_offset", at);
        at = SailfishFile.aligned(at + 4L * order.length);
      }
    }
    return at;
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
      MessageDigest digest = sha256();
      writeRows(file, source, dataStart + entry.get("offset").asLong(), digest);
      entry.put("sha256", HexFormat.of().formatHex(digest.digest()));
      int[] order = source.inputOrder();
      if (order != null) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * order.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(order);
        put(file, bytes, dataStart + entry.get("order_offset").asLong());
      }
    }
  }

  private static void writeRows(
      FileChannel file, WeightSource source, long start, MessageDigest digest) throws IOException {
    long rowBytes = source.format().rowBytes(source.cols());
    int rowsAtOnce = (int) Math.max(1, Math.min(source.rows(), CHUNK / rowBytes));
    ByteBuffer rows =
        ByteBuffer.allocate(Math.toIntExact(rowsAtOnce * rowBytes)).order(ByteOrder.LITTLE_ENDIAN);
    for (int first = 0; first < source.rows(); first += rowsAtOnce) {
      source.readRows(first, Math.min(rowsAtOnce, source.rows() - first), rows.clear());
      digest.update(rows.flip().duplicate());
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
