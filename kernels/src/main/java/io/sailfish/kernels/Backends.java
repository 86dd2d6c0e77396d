package io.sailfish.kernels;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cuda.CudaBackend;
import java.util.List;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens a backend by name: {@code auto} takes the first that works here and says why. */
public final class Backends {
  private static final Logger LOG = LoggerFactory.getLogger(Backends.class);

  /** In order of preference. */
  private static final List<BackendProvider> PROVIDERS =
      List.of(CudaBackend.provider(), CpuBackend.provider());

  private Backends() {}

  /**
   * @param id {@code auto}, {@code cpu} or {@code cuda}
   * @param threads see {@link BackendProvider#open}
   * @throws IllegalArgumentException for an unknown id
   * @throws IllegalStateException when the named backend does not work here, with the reason
   */
  public static Backend open(String id, int threads) {
    return open(id, threads, PROVIDERS);
  }

  static Backend open(String id, int threads, List<BackendProvider> providers) {
    if (id.equals("auto")) {
      return openFirst(threads, providers);
    }
    if (!id.equals("cpu") && !id.equals("cuda")) {
      throw new IllegalArgumentException(
          "backend '%s' is unknown: expected auto, cpu or cuda".formatted(id));
    }
    for (BackendProvider provider : providers) {
      if (provider.id().equals(id)) {
        String refusal = provider.refusal();
        if (refusal != null) {
          throw new IllegalStateException(
              "backend '%s' does not work here: %s; backend 'auto' would take another"
                  .formatted(id, refusal));
        }
        return provider.open(threads);
      }
    }
    throw new IllegalStateException(
        "backend '%s' is not part of this build, which has: %s"
            .formatted(
                id, providers.stream().map(BackendProvider::id).collect(Collectors.joining(", "))));
  }

  private static Backend openFirst(int threads, List<BackendProvider> providers) {
    StringBuilder refusals = new StringBuilder();
    for (BackendProvider provider : providers) {
      String refusal = provider.refusal();
      if (refusal == null) {
        Backend backend = provider.open(threads);
        LOG.info("backend auto: {} ({}){}", backend.id(), backend.describe(), refusals);
        return backend;
      }
      refusals.append("; not ").append(provider.id()).append(": ").append(refusal);
    }
    throw new IllegalStateException("no backend works here" + refusals);
  }
}
