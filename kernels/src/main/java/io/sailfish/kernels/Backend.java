package io.sailfish.kernels;

import java.util.List;

/**
 * Memory and operators of one device. Everything made by a backend is owned by it and freed by
 * {@link #close()}. Not thread-safe: one thread (the engine's) drives it; a backend may spread an
 * operator over threads of its own.
 */
public interface Backend extends AutoCloseable {
  /** {@code cpu} or {@code cuda}. */
  String id();

  /** One line for people: device, instruction set or card, threads. */
  String describe();

  Ops ops();

  /** Zeroed activations {@code [rows, cols]}. {@code purpose} names them in messages. */
  Tensor floats(int rows, int cols, String purpose);

  /** Zeroed integers. */
  IntTensor ints(int length, String purpose);

  /**
   * Packs a weight matrix from its parts, stacked along the outputs; all parts have the same {@code
   * cols}, formats may differ.
   */
  Weight weight(String name, List<WeightSource> parts);

  /** Room for keys and values; see {@link #kvBlockBytes}. */
  KvCache kvCache(int layers, int numBlocks, int blockTokens, AttentionShape shape);

  /** Bytes that one block of such a cache would take, for sizing it beforehand. */
  long kvBlockBytes(int layers, int blockTokens, AttentionShape shape);

  /**
   * Bytes that further allocations may take: free device memory, or what the host has available.
   */
  long freeBytes();

  /** Copies {@code count} floats to row-major elements {@code [offset, offset + count)} of dst. */
  void write(Tensor dst, long offset, float[] src, int srcOffset, int count);

  /** Copies {@code count} ints to elements {@code [0, count)} of dst. */
  void write(IntTensor dst, int[] src, int count);

  /** Waits for the operators queued so far and copies row-major elements back. */
  void read(Tensor src, long offset, float[] dst, int dstOffset, int count);

  @Override
  void close();
}
