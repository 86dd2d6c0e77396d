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
   * Encodes {@code count} weights, a multiple of the block length, with the rounding of llama.cpp's
   * reference quantizers ({@code ggml-quants.c}, {@code quantize_row_*_ref}).
   */
  void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset);
}
