package io.sailfish.llama.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Clock;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ChatTemplateTest {
  private static final List<Message> HELLO = List.of(new Message("user", "hello"));

  private static String render(String template, List<Message> messages) {
    return ChatTemplate.parse(template, Clock.systemUTC()).render(messages, true, "<s>", "");
  }

  private static TemplateException failure(String template) {
    return assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> assertThrows(TemplateException.class, () -> render(template, HELLO)));
  }

  @Test
  void errorsHaveLineNumberAndText() {
    String message = failure("{% if true %}\n\n  {% include 'other' %}\n{% endif %}").getMessage();
    assertTrue(message.contains("line 3"), message);
    assertTrue(message.contains("'include' is not supported"), message);
    assertTrue(message.contains("{% include 'other' %}"), message);

    message = failure("a\n{{ messages[0].content }}\n{{ messages[0].nope.x }}\n").getMessage();
    assertTrue(message.contains("line 3"), message);
    assertTrue(message.contains("has no attribute 'nope'"), message);
    assertTrue(message.contains("{{ messages[0].nope.x }}"), message);
  }

  @Test
  void refusalCarriesTheTemplatesWords() {
    String message = failure("\n{{ raise_exception('no system role') }}").getMessage();
    assertTrue(message.contains("no system role"), message);
    assertTrue(message.contains("line 2"), message);
  }

  @Test
  void emptySpecialTokenIsUndefined() {
    assertEquals(
        "<s>|false", render("{{ bos_token }}|{{ 'false' if eos_token is undefined }}", HELLO));
  }

  @Test
  void contentIsNoTemplate() {
    assertEquals(
        "{{ 7 * 7 }}{% if %}",
        render("{{ messages[0].content }}", List.of(new Message("user", "{{ 7 * 7 }}{% if %}"))));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for a in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{{ 'x' * 1000000000000 }}",
        "{{ [1] * 1000000000000 }}",
        "{% for a in range(100000) %}{{ 'x' * 10000 }}{% endfor %}",
        "{% for a in range(100000) %}{% set x = 'x' * 1000000 %}{% endfor %}",
        "{% for a in range(100000) %}{% set x = ('x' * 1000000).replace('x', 'yy') %}{% endfor %}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
        "{{ ('x' * 1000000) | join('y' * 1000000) }}",
        "{{ ('x\\n' * 100000) | indent(1000000) }}",
        "{{ [1] | tojson(indent=1000000000000) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a(n) %}{{ b(n) }}{{ b(n) }}{% endmacro %}{% macro b(n) %}{{ a(n) }}{{ a(n) }}{% endmacro %}{{ a(1) }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(30) }}",
        "{{ range(0, 9223372036854775807) }}",
        "{% for i in range(99999) %}{% set x = range(99999) | sort %}{% endfor %}",
        "{{ range(99999) | unique | length }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ 10 ** 1000000000 }}",
      })
  void hostileTemplatesEndWithAnError(String template) {
    failure(template);
  }

  @Test
  void deepNestingIsAnError() {
    failure("{{ " + "(".repeat(5000) + "1" + ")".repeat(5000) + " }}");
    failure("{{ " + "not ".repeat(5000) + "1 }}");
    failure("{{ " + "-".repeat(5000) + "1 }}");
    failure("{% if 1 %}".repeat(5000) + "{% endif %}".repeat(5000));
    failure("{{ " + "[".repeat(5000));
    failure("{% if 1 %}" + "{% elif 1 %}".repeat(5000) + "{% endif %}");
  }

  @Test
  void longChainsDoNotOverflowTheStack() {
    String sum = "{{ 1" + " + 1".repeat(100_000) + " }}";
    assertThrows(TemplateException.class, () -> render(sum, HELLO));
    assertEquals("200000", render("{{ (" + "'ab'".repeat(100_000) + ") | length }}", HELLO));
  }

  @Test
  void bigContentRendersFast() {
    String megabytes = "text and so on, ".repeat(1 << 16);
    String template =
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim }}{% endfor %}";
    assertTimeoutPreemptively(
        Duration.ofSeconds(5),
        () ->
            assertEquals(
                "<|user|>" + megabytes.strip(),
                render(template, List.of(new Message("user", megabytes)))));
  }

  @Test
  void splittingBigContentIsNotQuadratic() {
    String content = "a ".repeat(1 << 19);
    String template =
        "{{ messages[0].content.split() | length }} {{ messages[0].content.rsplit(' ') | length }}";
    assertTimeoutPreemptively(
        Duration.ofSeconds(10),
        () ->
            assertEquals("524288 524289", render(template, List.of(new Message("user", content)))));
  }
}
