package io.sailfish.llama.template;

/** An object of the interpreter with attributes of its own, such as {@code loop}. */
interface HasAttributes {
  /** The attribute, or {@link Undefined}. */
  Object attribute(String name);
}
