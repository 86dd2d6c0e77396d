package io.sailfish.llama.checkpoint;

import java.util.function.Supplier;

/** A value that is made once, by the first thread that asks for it, and held. */
final class Lazy<T> {
  private final Supplier<T> maker;
  private T value;

  /**
   * @param maker asked again when it has thrown
   */
  Lazy(Supplier<T> maker) {
    this.maker = maker;
  }

  synchronized T get() {
    if (value == null) {
      value = maker.get();
    }
    return value;
  }
}
