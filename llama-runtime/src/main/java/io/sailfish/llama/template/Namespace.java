package io.sailfish.llama.template;

import java.util.HashMap;
import java.util.Map;

/** The one value that a template can change: {@code {% set ns.x = 1 %}}. */
final class Namespace implements HasAttributes {
  private final Map<String, Object> attributes = new HashMap<>();

  void set(String name, Object value) {
    if (name.startsWith("_")) {
      throw new TemplateException("a namespace's attribute must not start with '_': " + name);
    }
    attributes.put(name, value);
  }

  @Override
  public Object attribute(String name) {
    return attributes.containsKey(name) ? attributes.get(name) : Undefined.attribute(this, name);
  }

  @Override
  public String toString() {
    return "<Namespace>";
  }
}
