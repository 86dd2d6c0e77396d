package io.sailfish.kernels.format.packed;

/**
 * How a weight's value follows from its code q (or table value T[q]), scale s and second value z.
 */
public enum ZeroKind {
  /** No second value: s·(q − 8), or s·T[q]. */
  SYMMETRIC,
  /** s·(q − z), or s·(T[q] − z). z need not be whole (GPTQ, AWQ, HQQ). */
  ZERO,
  /** s·q + z, or s·T[q] + z (GGUF Q4_1: s = d, z = m). */
  OFFSET
}
