package io.sailfish.kernels;

/** One kind of backend, as {@link Backends} chooses among them. */
public interface BackendProvider {
  /** {@code cpu} or {@code cuda}. */
  String id();

  /** Why no such backend can be opened here, in words for the user; null when one can. */
  String refusal(BackendRequest request);

  /** Opens one that was not refused. */
  Backend open(BackendRequest request);
}
