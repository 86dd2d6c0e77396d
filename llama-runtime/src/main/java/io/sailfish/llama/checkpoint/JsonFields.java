package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * An object of a JSON file of a model folder. Whatever is missing or of the wrong type or size ends
 * in one {@link RuntimeFailure} of kind USER that names file, field and value. A field that is null
 * counts as not there.
 */
final class JsonFields {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MAX_SHOWN = 120;

  private final Path file;
  private final String at;
  private final ObjectNode node;

  private JsonFields(Path file, String at, ObjectNode node) {
    this.file = file;
    this.at = at;
    this.node = node;
  }

  /**
   * Reads a file whose root is an object.
   *
   * @param maxBytes far above what such a file has; bounds what a damaged one costs
   */
  static JsonFields read(Path file, int maxBytes) {
    return parse(file, text(file, maxBytes));
  }

  /** Parses a text whose root is an object, found in {@code file}. */
  static JsonFields parse(Path file, String text) {
    JsonNode root;
    try {
      root = JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new RuntimeFailure(
          Kind.USER, "%s: is no JSON: %s".formatted(file, shown(e.getOriginalMessage())), e);
    }
    if (!(root instanceof ObjectNode)) {
      throw new RuntimeFailure(Kind.USER, file + ": is no JSON object", null);
    }
    return new JsonFields(file, "", (ObjectNode) root);
  }

  /** The whole text of a file, UTF-8. */
  static String text(Path file, int maxBytes) {
    try (FileBytes bytes = FileBytes.open(file)) {
      if (bytes.size() > maxBytes) {
        throw new RuntimeFailure(
            Kind.USER,
            "%s: has %d bytes, such a file may have %d".formatted(file, bytes.size(), maxBytes),
            null);
      }
      byte[] content = new byte[(int) bytes.size()];
      bytes.read(0, ByteBuffer.wrap(content));
      return new String(content, StandardCharsets.UTF_8);
    }
  }

  /** The file's fields and this object's, below it, as they are spelled in messages. */
  private String name(String key) {
    return at.isEmpty() ? key : at + "." + key;
  }

  boolean has(String key) {
    return node.hasNonNull(key);
  }

  /** Whether the key is there, with null too. */
  boolean mentions(String key) {
    return node.has(key);
  }

  Iterable<String> keys() {
    return node::fieldNames;
  }

  /** The raw value; a missing node where there is none. */
  JsonNode value(String key) {
    return node.path(key);
  }

  int integer(String key, long min, long max) {
    return (int) bigInteger(key, min, max);
  }

  long bigInteger(String key, long min, long max) {
    JsonNode value = need(key);
    if (!value.canConvertToExactIntegral() || !value.canConvertToLong()) {
      throw fail(key, value, "must be a whole number");
    }
    long number = value.asLong();
    if (number < min || number > max) {
      throw fail(key, value, "must lie in [%d, %d]".formatted(min, max));
    }
    return number;
  }

  int integer(String key, long min, long max, int otherwise) {
    return has(key) ? integer(key, min, max) : otherwise;
  }

  double positive(String key) {
    JsonNode value = need(key);
    double number = value.isNumber() ? value.asDouble() : Double.NaN;
    if (!(number > 0) || Double.isInfinite(number)) {
      throw fail(key, value, "must be a positive number");
    }
    return number;
  }

  double positive(String key, double otherwise) {
    return has(key) ? positive(key) : otherwise;
  }

  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    JsonNode value = node.get(key);
    if (!value.isBoolean()) {
      throw fail(key, value, "must be true or false");
    }
    return value.booleanValue();
  }

  String text(String key) {
    JsonNode value = need(key);
    if (!value.isTextual()) {
      throw fail(key, value, "must be a text");
    }
    return value.textValue();
  }

  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  /** The texts of an array. */
  List<String> texts(String key) {
    JsonNode value = need(key);
    List<String> texts = new ArrayList<>();
    for (JsonNode element : value) {
      if (!element.isTextual()) {
        throw fail(key, value, "must be an array of texts");
      }
      texts.add(element.textValue());
    }
    if (!value.isArray()) {
      throw fail(key, value, "must be an array of texts");
    }
    return texts;
  }

  /** The numbers of an array; at most {@code most}. */
  double[] numbers(String key, int most) {
    JsonNode value = need(key);
    if (!value.isArray() || value.size() > most) {
      throw fail(key, value, "must be an array of up to %d numbers".formatted(most));
    }
    double[] numbers = new double[value.size()];
    for (int i = 0; i < numbers.length; i++) {
      if (!value.get(i).isNumber()) {
        throw fail(key, value, "must be an array of numbers");
      }
      numbers[i] = value.get(i).asDouble();
    }
    return numbers;
  }

  JsonFields object(String key) {
    JsonNode value = need(key);
    if (!value.isObject()) {
      throw fail(key, value, "must be an object");
    }
    return new JsonFields(file, name(key), (ObjectNode) value);
  }

  /** The objects of an array. */
  List<JsonFields> objects(String key) {
    JsonNode value = need(key);
    List<JsonFields> objects = new ArrayList<>();
    for (JsonNode element : value) {
      if (!value.isArray() || !element.isObject()) {
        throw fail(key, value, "must be an array of objects");
      }
      String place = "%s[%d]".formatted(name(key), objects.size());
      objects.add(new JsonFields(file, place, (ObjectNode) element));
    }
    return objects;
  }

  /** Null where there is none. */
  JsonFields objectOrNull(String key) {
    return has(key) ? object(key) : null;
  }

  private JsonNode need(String key) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      throw fail(key, value, "the model needs it");
    }
    return value;
  }

  RuntimeFailure fail(String key, Object value, String problem) {
    String text = value == null ? "(none)" : shown(value.toString());
    return new RuntimeFailure(
        Kind.USER, "%s: %s = %s: %s".formatted(file, shown(name(key)), text, problem), null);
  }

  /** A text from a file as messages show it: cut where it is long. */
  static String shown(String value) {
    return value.length() > MAX_SHOWN ? value.substring(0, MAX_SHOWN) + "..." : value;
  }
}
