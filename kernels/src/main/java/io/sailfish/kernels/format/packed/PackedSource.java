package io.sailfish.kernels.format.packed;

import java.nio.ByteBuffer;

/** A weight that lies in a file as a card keeps it, to be copied there as it is. */
public interface PackedSource {
  /** Name for messages. */
  String name();

  PackedForm form();

  /**
   * Fills {@code dst} from its position to its limit with the bytes from {@code offset} on. Safe to
   * call from several threads.
   */
  void read(long offset, ByteBuffer dst);
}
