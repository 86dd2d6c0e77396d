package io.sailfish.llama.template;

/** A function, method or macro. */
@FunctionalInterface
interface Callable {
  Object call(Rendering rendering, Arguments arguments);
}
