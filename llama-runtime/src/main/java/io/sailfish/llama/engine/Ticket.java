package io.sailfish.llama.engine;

import io.sailfish.llama.DeviceUse;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The promise of one request's result. Cancelling it takes the row out of the batch at the next
 * step, unless an equal request still wants the answer. Fails with {@link
 * io.sailfish.llama.RuntimeFailure}. Dependent actions run on the engine's answer thread, never on
 * the one that drives the device.
 */
public final class Ticket extends CompletableFuture<GenerationResult> {
  private final GenerationRequest request;
  private final Consumer<Ticket> onCancel;
  private final long submittedNanos = System.nanoTime();
  private volatile Usage usage = Usage.NONE;

  /**
   * What the row took.
   *
   * @param waitNanos from submission to its first step
   * @param steps steps it took part in; 0 when an equal request did the work
   * @param stepRows sequences of those steps, summed; with {@code steps} the mean batch
   * @param device its share of them
   */
  public record Usage(long waitNanos, long steps, long stepRows, DeviceUse device) {
    static final Usage NONE = new Usage(0, 0, 0, DeviceUse.NONE);
  }

  Ticket(GenerationRequest request, Consumer<Ticket> onCancel) {
    this.request = request;
    this.onCancel = onCancel;
  }

  public GenerationRequest request() {
    return request;
  }

  /** Complete once the ticket is. */
  public Usage usage() {
    return usage;
  }

  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    boolean cancelled = super.cancel(mayInterruptIfRunning);
    if (cancelled) {
      onCancel.accept(this);
    }
    return cancelled;
  }

  /** Dependents are plain futures: cancelling one of them does not reach the engine. */
  @Override
  public <U> CompletableFuture<U> newIncompleteFuture() {
    return new CompletableFuture<>();
  }

  long submittedNanos() {
    return submittedNanos;
  }

  void complete(GenerationResult result, Usage used) {
    usage = used;
    complete(result);
  }
}
