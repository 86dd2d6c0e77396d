package io.sailfish.spark.exec;

import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The models of this process, each loaded once, in a thread of its own, and shared by all tasks. A
 * model that cannot be loaded fails the tasks that want it, with the reason, and not the executor:
 * the cluster manager would start executors for ever.
 */
public final class ExecutorRuntimes implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ExecutorRuntimes.class);

  private static volatile ExecutorRuntimes installed;

  private final Map<String, String> paths;
  private final RuntimeConfig config;
  private final ModelSource source;
  private final RuntimeFactory factory;
  private final ExecutorHost host;
  private final Map<String, CompletableFuture<LlamaRuntime>> runtimes = new HashMap<>();
  private boolean closed;

  /**
   * @param paths of the models by name
   */
  public ExecutorRuntimes(
      Map<String, String> paths,
      RuntimeConfig config,
      ModelSource source,
      RuntimeFactory factory,
      ExecutorHost host) {
    this.paths = Map.copyOf(paths);
    this.config = config;
    this.source = source;
    this.factory = factory;
    this.host = host;
  }

  /** Makes these the ones that tasks of this process find. */
  public void install() {
    installed = this;
  }

  static ExecutorRuntimes current() {
    ExecutorRuntimes current = installed;
    if (current == null) {
      throw ErrorCondition.SAILFISH_PLUGIN_MISSING.atRuntime(null, Map.of());
    }
    return current;
  }

  ExecutorHost host() {
    return host;
  }

  /** The model, being loaded, loaded, or failed; loading starts with the first call. */
  public synchronized CompletableFuture<LlamaRuntime> runtime(String model) {
    CompletableFuture<LlamaRuntime> known = runtimes.get(model);
    if (known != null && !mayHelpToRetry(known)) {
      return known;
    }
    CompletableFuture<LlamaRuntime> loading = new CompletableFuture<>();
    if (closed) {
      loading.completeExceptionally(shuttingDown());
      return loading;
    }
    runtimes.put(model, loading);
    Thread thread = new Thread(() -> load(model, loading), "sailfish-load-" + model);
    thread.setDaemon(true);
    thread.start();
    return loading;
  }

  /** A model that could not be read may be there for the next attempt of the task. */
  private static boolean mayHelpToRetry(CompletableFuture<LlamaRuntime> known) {
    return known.isCompletedExceptionally()
        && known.handle((runtime, failure) -> failure).join() instanceof RuntimeFailure failure
        && failure.kind() == RuntimeFailure.Kind.RETRYABLE;
  }

  private void load(String model, CompletableFuture<LlamaRuntime> loading) {
    String path = paths.get(model);
    long start = System.nanoTime();
    try {
      if (path == null) {
        throw new IllegalArgumentException("the executor has no model of this name");
      }
      Path local = source.local(path);
      LlamaRuntime runtime = factory.load(local, config);
      LOG.info(
          "Loaded model {} from {} in {} ms: {}",
          model,
          path,
          (System.nanoTime() - start) / 1_000_000,
          runtime.info());
      if (!loading.complete(runtime)) {
        runtime.close(); // the executor shut down meanwhile
        return;
      }
      host.loaded(model, runtime.info());
    } catch (Throwable failure) {
      // Not thrown on: the first task that wants the model reports it.
      LOG.error(
          "Model {} from {} cannot be loaded; tasks that need it will fail", model, path, failure);
      loading.completeExceptionally(
          FailurePolicy.loadFailure(model, String.valueOf(path), failure));
    }
  }

  /** Ends all models; rows in flight fail. */
  @Override
  public void close() {
    Map<String, CompletableFuture<LlamaRuntime>> ending;
    synchronized (this) {
      closed = true;
      ending = new HashMap<>(runtimes);
      runtimes.clear();
    }
    if (installed == this) {
      installed = null;
    }
    ending
        .values()
        .forEach(
            loading -> {
              loading.completeExceptionally(shuttingDown());
              if (!loading.isCompletedExceptionally()) {
                end(loading.join());
              }
            });
  }

  /** The next try of the task meets another executor. */
  private static RuntimeFailure shuttingDown() {
    return new RuntimeFailure(RuntimeFailure.Kind.RETRYABLE, "the executor is shutting down", null);
  }

  /** A task that is still being ended may hold answers; the process goes away with them. */
  private static void end(LlamaRuntime runtime) {
    try {
      runtime.close();
    } catch (IllegalStateException e) {
      LOG.warn("Model {} was closed while tasks held its memory", runtime.info().model(), e);
    }
  }
}
