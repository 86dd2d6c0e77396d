package io.sailfish.llama.template;

/** What a missing name or attribute gives: prints as nothing, is false, and is an error to use. */
record Undefined(String reason) {
  static Undefined attribute(Object owner, Object name) {
    return new Undefined(
        "'" + Values.typeName(owner) + " object' has no attribute " + PythonText.repr(name));
  }

  TemplateException error() {
    return new TemplateException(reason);
  }
}
