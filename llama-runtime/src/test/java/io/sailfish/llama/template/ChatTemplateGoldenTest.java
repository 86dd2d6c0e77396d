package io.sailfish.llama.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every case of tools/golden/make_template_cases.py: the same text as Jinja2's, or an error too.
 */
class ChatTemplateGoldenTest {
  private static final JsonNode GOLDEN = read();
  private static final Clock CLOCK =
      Clock.fixed(
          LocalDateTime.parse(GOLDEN.get("now").asText()).toInstant(ZoneOffset.UTC),
          ZoneOffset.UTC);

  @TestFactory
  Stream<DynamicTest> constructs() {
    Map<String, Object> variables = new LinkedHashMap<>();
    GOLDEN
        .get("variables")
        .fields()
        .forEachRemaining(e -> variables.put(e.getKey(), value(e.getValue())));
    assertTrue(GOLDEN.get("cases").size() > 800);
    return stream(GOLDEN.get("cases"))
        .map(
            c ->
                dynamicTest(
                    c.get("name").asText() + ": " + c.get("template").asText(),
                    () -> check(c, c.get("template").asText(), variables)));
  }

  @TestFactory
  Stream<DynamicTest> conversations() {
    assertTrue(GOLDEN.get("chats").size() > 150);
    return stream(GOLDEN.get("chats"))
        .map(
            c ->
                dynamicTest(
                    c.get("name").asText(),
                    () ->
                        check(
                            c,
                            GOLDEN.get("templates").get(c.get("template").asText()).asText(),
                            variables(c))));
  }

  /** The public way in, without tools, gives the same. */
  @TestFactory
  Stream<DynamicTest> publicRender() {
    return stream(GOLDEN.get("chats"))
        .filter(c -> !c.get("tools").asBoolean() && c.has("expected"))
        .map(
            c ->
                dynamicTest(
                    c.get("name").asText(),
                    () -> {
                      String source =
                          GOLDEN.get("templates").get(c.get("template").asText()).asText();
                      List<Message> messages =
                          stream(GOLDEN.get("conversations").get(c.get("chat").asText()))
                              .map(
                                  m ->
                                      new Message(
                                          m.get("role").asText(), m.get("content").asText()))
                              .toList();
                      assertEquals(
                          c.get("expected").asText(),
                          ChatTemplate.parse(source, CLOCK)
                              .render(messages, c.get("generate").asBoolean(), "<s>", "</s>"));
                    }));
  }

  private static Map<String, Object> variables(JsonNode chat) {
    Map<String, Object> variables = new LinkedHashMap<>();
    variables.put("messages", value(GOLDEN.get("conversations").get(chat.get("chat").asText())));
    variables.put("tools", chat.get("tools").asBoolean() ? value(GOLDEN.get("tools")) : null);
    variables.put("documents", null);
    variables.put("add_generation_prompt", chat.get("generate").asBoolean());
    variables.put("bos_token", "<s>");
    variables.put("eos_token", "</s>");
    return variables;
  }

  private static void check(JsonNode expected, String template, Map<String, Object> variables) {
    if (expected.has("expected")) {
      assertEquals(
          expected.get("expected").asText(),
          ChatTemplate.parse(template, CLOCK).render(variables, 1 << 20, 1 << 20));
    } else {
      TemplateException e =
          assertThrows(
              TemplateException.class,
              () -> ChatTemplate.parse(template, CLOCK).render(variables, 1 << 20, 1 << 20),
              expected.get("error").asText());
      assertTrue(e.getMessage().startsWith("chat template, line "), e.getMessage());
    }
  }

  private static Object value(JsonNode node) {
    if (node.isTextual()) {
      return node.asText();
    }
    if (node.isBoolean()) {
      return node.asBoolean();
    }
    if (node.isNumber()) {
      return node.isIntegralNumber() ? (Object) node.asLong() : (Object) node.asDouble();
    }
    if (node.isArray()) {
      return new ArrayList<>(stream(node).map(ChatTemplateGoldenTest::value).toList());
    }
    if (node.isObject()) {
      Map<Object, Object> map = new LinkedHashMap<>();
      node.fields().forEachRemaining(e -> map.put(e.getKey(), value(e.getValue())));
      return map;
    }
    return null;
  }

  private static Stream<JsonNode> stream(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }

  private static JsonNode read() {
    try (InputStream in =
        ChatTemplateGoldenTest.class.getResourceAsStream("/golden/template_cases.json")) {
      return new ObjectMapper().readTree(in);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
