package io.sailfish.kernels.cpu;

/** Rotation of one head's pairs; plain loops that the JIT turns into vectors where it pays. */
final class Rope {
  private Rope() {}

  /** Pairs (2i, 2i+1). {@code table}: cosines from {@code from} on, then as many sines. */
  static void neighbours(float[] x, int at, float[] table, int from, int pairs) {
    for (int i = 0; i < pairs; i++) {
      float cos = table[from + i];
      float sin = table[from + pairs + i];
      float a = x[at + 2 * i];
      float b = x[at + 2 * i + 1];
      x[at + 2 * i] = a * cos - b * sin;
      x[at + 2 * i + 1] = a * sin + b * cos;
    }
  }

  /** Pairs (i, i + pairs). */
  static void halves(float[] x, int at, float[] table, int from, int pairs) {
    for (int i = 0; i < pairs; i++) {
      float cos = table[from + i];
      float sin = table[from + pairs + i];
      float a = x[at + i];
      float b = x[at + pairs + i];
      x[at + i] = a * cos - b * sin;
      x[at + pairs + i] = a * sin + b * cos;
    }
  }
}
