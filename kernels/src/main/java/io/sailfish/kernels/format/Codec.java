package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * Exact, scalar translation of one format: the truth that every fast path is tested against.
 * Offsets into byte buffers are absolute; the buffer's position, limit and byte order do not matter
 * and do not change.
 */
public interface Codec {
  /**
   * Decodes {@code count} weights, a multiple of the block length, that start at byte {@code
   * srcOffset}.
   */
  void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count);

  /**
   * Encodes {@code count} weights, a multiple of the block length. Formats with one level of scales
   * round as llama.cpp's reference quantizers do ({@code ggml-quants.c}, {@code
   * quantize_row_*_ref}); for others the codec says how its choice is made.
   */
  void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset);

  /** Whether the scales of the block at {@code offset} are numbers; damaged files have others. */
  default boolean scalesFinite(ByteBuffer src, int offset) {
    return true;
  }
}
