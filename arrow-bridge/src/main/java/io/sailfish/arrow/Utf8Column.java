package io.sailfish.arrow;

import org.apache.arrow.vector.VarCharVector;

/**
 * A column of nullable UTF-8 strings in off-heap Arrow memory: validity, offsets, bytes. Owns its
 * vector; closing it gives the buffers back.
 */
public final class Utf8Column implements AutoCloseable {
  private final VarCharVector vector;

  /** Takes over {@code vector}, whose value count is set. */
  public Utf8Column(VarCharVector vector) {
    this.vector = vector;
  }

  public int rows() {
    return vector.getValueCount();
  }

  public boolean isNull(int row) {
    return vector.isNull(row);
  }

  /** The row's text; invalid UTF-8 becomes U+FFFD. Not for null rows. */
  public String text(int row) {
    return new String(vector.get(row), java.nio.charset.StandardCharsets.UTF_8);
  }

  /** The vector itself, for zero-copy readers; still owned by this column. */
  public VarCharVector vector() {
    return vector;
  }

  @Override
  public void close() {
    vector.close();
  }
}
