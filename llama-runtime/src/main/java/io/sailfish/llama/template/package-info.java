/**
 * Chat templates: an interpreter for the part of Jinja that models' templates use, with the
 * settings of HF transformers ({@code trim_blocks}, {@code lstrip_blocks}, loop controls, its own
 * {@code tojson}, immutable values). What the language means is described at
 * https://jinja.palletsprojects.com/en/stable/templates/; outputs are compared with Jinja2's in the
 * tests.
 *
 * <p>{@link io.sailfish.llama.template.Lexer} makes tokens, the two parsers make {@link
 * io.sailfish.llama.template.Statement}s and {@link io.sailfish.llama.template.Expression}s that
 * evaluate themselves against a {@link io.sailfish.llama.template.Scope}. Values are plain Java
 * objects: null (None), Boolean, Long, Double, String, List, Tuple, Map, Undefined, Callable.
 */
package io.sailfish.llama.template;
