package io.sailfish.spark.evaluate;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Comparator;

/**
 * A window of a text.
 *
 * @param key beginning of the digest of its tokens: where it is computed, and whether it belongs to
 *     a sample, depends on that and so on the texts alone
 */
public record TextWindow(long key, int[] tokens) {
  /** By key; windows of one key by their tokens, so that equals alone are as good as each other. */
  static final class Order implements Comparator<TextWindow>, Serializable {
    private static final long serialVersionUID = 1L;

    @Override
    public int compare(TextWindow a, TextWindow b) {
      int byKey = Long.compare(a.key, b.key);
      return byKey != 0 ? byKey : Arrays.compare(a.tokens, b.tokens);
    }
  }

  static TextWindow of(int... tokens) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * tokens.length);
    bytes.asIntBuffer().put(tokens);
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes.array());
      return new TextWindow(ByteBuffer.wrap(digest).getLong(), tokens);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
