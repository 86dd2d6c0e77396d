package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** Opens models: a folder by its config.json, a file by what its first bytes say. */
public final class Checkpoints {
  /** "SAIL", the start of our own files. */
  private static final int SAILFISH_MAGIC = 0x4C494153;

  private Checkpoints() {}

  /**
   * Opens a model: a file of ours, a GGUF file, or a HuggingFace folder with safetensors. Closed by
   * the caller.
   *
   * @throws RuntimeFailure of kind USER for a file that is missing, damaged or of another kind
   */
  public static Checkpoint open(Path path) {
    if (Files.isDirectory(path)) {
      if (!Files.exists(path.resolve(HfCheckpoint.CONFIG))) {
        throw new RuntimeFailure(
            Kind.USER,
            path
                + ": is a directory without config.json; give a folder with config.json,"
                + " safetensors and tokenizer.json, or the path of the .gguf file in it",
            null);
      }
      return HfCheckpoint.open(path);
    }
    int magic;
    try (FileBytes file = FileBytes.open(path)) {
      if (file.size() < 4) {
        throw new RuntimeFailure(
            Kind.USER, "%s: has %d bytes; no model file".formatted(path, file.size()), null);
      }
      ByteBuffer head = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
      file.read(0, head);
      magic = head.getInt(0);
    }
    if (magic == GgufReader.MAGIC) {
      return GgufCheckpoint.open(path);
    }
    if (magic == SAILFISH_MAGIC) {
      return SailfishCheckpoint.open(path);
    }
    throw new RuntimeFailure(
        Kind.USER,
        "%s: starts with the bytes 0x%08x; files are read that start with GGUF or SAILFISH"
            .formatted(path, Integer.reverseBytes(magic)),
        null);
  }
}
