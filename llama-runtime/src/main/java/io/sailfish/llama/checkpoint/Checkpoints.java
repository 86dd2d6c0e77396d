package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** Opens models by what their first bytes say. */
public final class Checkpoints {
  private Checkpoints() {}

  /**
   * Opens a model file. Closed by the caller.
   *
   * @throws RuntimeFailure of kind USER for a file that is missing, damaged or of another kind
   */
  public static Checkpoint open(Path path) {
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
    throw new RuntimeFailure(
        Kind.USER,
        "%s: starts with the bytes 0x%08x; GGUF files are read, which start with GGUF"
            .formatted(path, Integer.reverseBytes(magic)),
        null);
  }
}
