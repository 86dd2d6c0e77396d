package io.sailfish.llama.quantize;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * Text that activations are taken from, as token ids.
 *
 * @param sequences all of one length
 */
public record Calibration(List<int[]> sequences) {
  public Calibration {
    sequences = List.copyOf(sequences);
    if (sequences.isEmpty()) {
      throw new IllegalArgumentException("calibration: no sequences");
    }
  }

  /**
   * The first windows of a text.
   *
   * @param text plain text, at least {@code count * length} tokens
   * @throws RuntimeFailure when the text is too short
   */
  public static Calibration of(String text, Tokenizer tokenizer, int count, int length) {
    int[] ids = tokenizer.encodeText(text);
    if (ids.length < (long) count * length) {
      throw new RuntimeFailure(
          Kind.USER,
          "the calibration text has %d tokens; %d sequences of %d need %d: give more text or fewer sequences"
              .formatted(ids.length, count, length, (long) count * length),
          null);
    }
    List<int[]> sequences = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      sequences.add(Arrays.copyOfRange(ids, i * length, (i + 1) * length));
    }
    return new Calibration(sequences);
  }

  /** Digest of the ids, for provenance. */
  String sha256() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (int[] sequence : sequences) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * sequence.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(sequence);
        digest.update(bytes);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
