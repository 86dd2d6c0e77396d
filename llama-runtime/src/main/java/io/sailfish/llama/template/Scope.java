package io.sailfish.llama.template;

import java.util.HashMap;
import java.util.Map;

/** Variables of one block; names that it lacks are looked up in the one around it. */
final class Scope {
  private final Scope outer;
  private final Rendering rendering;
  private final Map<String, Object> variables = new HashMap<>();

  Scope(Scope outer, Rendering rendering) {
    this.outer = outer;
    this.rendering = rendering;
  }

  Scope inner() {
    return new Scope(this, rendering);
  }

  Rendering rendering() {
    return rendering;
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  Object lookup(String name) {
    for (Scope scope = this; scope != null; scope = scope.outer) {
      Object value = scope.variables.get(name);
      if (value != null || scope.variables.containsKey(name)) {
        return value;
      }
    }
    return new Undefined("'" + name + "' is undefined");
  }
}
