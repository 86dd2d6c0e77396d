package io.sailfish.kernels;

/** One kind of backend, as {@link Backends} chooses among them. */
public interface BackendProvider {
  /** {@code cpu} or {@code cuda}. */
  String id();

  /** Why no such backend can be opened here, in words for the user; null when one can. */
  String refusal();

  /**
   * @param threads threads of a backend that computes on the host, 0 = all processors the JVM sees
   */
  Backend open(int threads);
}
