package io.sailfish.kernels;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cuda.CudaProvider;
import java.util.List;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens a backend by name: {@code auto} takes the first that works here and says why. */
public final class Backends {
  private static final Logger LOG = LoggerFactory.getLogger(Backends.class);

  /** In order of preference. */
  private static final List<BackendProvider> PROVIDERS =
      List.of(new CudaProvider(), CpuBackend.provider());

  private Backends() {}

  /** Any card if it takes one: see {@link #open(BackendRequest)}. */
  public static Backend open(String id, int threads) {
    return open(BackendRequest.of(id, threads));
  }

  /**
   * {@code cpu} and {@code cuda} open that backend or fail. {@code auto} opens a card if the
   * process can use one and the CPU otherwise, and logs which and why. A card that was named by its
   * address has been given to this process, so {@code auto} fails too when it cannot be used.
   *
   * @throws IllegalArgumentException for an unknown id
   * @throws IllegalStateException when the named backend does not work here, with the reason
   */
  public static Backend open(BackendRequest request) {
    return open(request, PROVIDERS);
  }

  static Backend open(BackendRequest request, List<BackendProvider> providers) {
    String id = request.id();
    if (id.equals("auto")) {
      return openFirst(request, providers);
    }
    if (!id.equals("cpu") && !id.equals("cuda")) {
      throw new IllegalArgumentException(
          "backend '%s' is unknown: expected auto, cpu or cuda".formatted(id));
    }
    for (BackendProvider provider : providers) {
      if (provider.id().equals(id)) {
        String refusal = provider.refusal(request);
        if (refusal != null) {
          throw new IllegalStateException(
              "backend '%s' does not work here: %s%s"
                  .formatted(
                      id,
                      refusal,
                      request.card() == null ? "; backend 'auto' would take another" : ""));
        }
        return provider.open(request);
      }
    }
    throw new IllegalStateException(
        "backend '%s' is not part of this build, which has: %s"
            .formatted(
                id, providers.stream().map(BackendProvider::id).collect(Collectors.joining(", "))));
  }

  private static Backend openFirst(BackendRequest request, List<BackendProvider> providers) {
    StringBuilder refusals = new StringBuilder();
    for (BackendProvider provider : providers) {
      String refusal = provider.refusal(request);
      if (refusal == null) {
        Backend backend = provider.open(request);
        LOG.info("backend auto: {} ({}){}", backend.id(), backend.describe(), refusals);
        return backend;
      }
      if (request.card() != null) {
        throw new IllegalStateException(
            "this process was given card %s but cannot use it: %s; backend 'cpu' needs none"
                .formatted(request.card(), refusal));
      }
      refusals.append("; not ").append(provider.id()).append(": ").append(refusal);
    }
    throw new IllegalStateException("no backend works here" + refusals);
  }
}
