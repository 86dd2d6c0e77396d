package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Keys and values of a GGUF file. Numbers are kept, texts and arrays only located: they are read
 * when asked for, so a vocabulary that nobody wants costs nothing.
 */
final class GgufMetadata {
  /** Longest single text that is read (a chat template), in bytes. */
  private static final int MAX_TEXT = 16 << 20;

  /** Types of values, in the order of their numbers in the file (enum gguf_type). */
  enum Type {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    BOOL(1),
    STRING(0),
    ARRAY(0),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    /** Bytes of a value, 0 where they vary. */
    final int bytes;

    Type(int bytes) {
      this.bytes = bytes;
    }

    boolean isInteger() {
      return this != FLOAT32 && this != FLOAT64 && this != BOOL && bytes > 0;
    }
  }

  /**
   * A value or where to find it.
   *
   * @param type the value's own type
   * @param bits of a number: the integer, or the floating-point number's double bits
   * @param element of an array: type of its elements
   * @param offset of a text: its first byte; of an array: its first element
   * @param count of a text: bytes; of an array: elements
   * @param bytes of a text or an array in the file
   */
  record Value(Type type, long bits, Type element, long offset, long count, long bytes) {}

  private final FileBytes file;
  private final Map<String, Value> values = new LinkedHashMap<>();

  GgufMetadata(FileBytes file) {
    this.file = file;
  }

  /** False when the key is there already. */
  boolean add(String key, Value value) {
    return values.putIfAbsent(key, value) == null;
  }

  Set<String> keys() {
    return values.keySet();
  }

  boolean has(String key) {
    return values.containsKey(key);
  }

  /** Elements of an array, 0 when it is not there. */
  long count(String key) {
    Value v = values.get(key);
    return v == null || v.type != Type.ARRAY ? 0 : v.count;
  }

  /** A whole number that must be there and lie in [min, max]. */
  int integer(String key, long min, long max) {
    return (int) inRange(key, need(key), min, max);
  }

  boolean isArray(String key) {
    return has(key) && values.get(key).type == Type.ARRAY;
  }

  int integer(String key, long min, long max, int otherwise) {
    return has(key) ? integer(key, min, max) : otherwise;
  }

  /** A token id or the like: any whole number. */
  OptionalLong integer(String key) {
    return has(key)
        ? OptionalLong.of(inRange(key, need(key), Long.MIN_VALUE, Long.MAX_VALUE))
        : OptionalLong.empty();
  }

  double number(String key) {
    Value v = need(key);
    if (v.type != Type.FLOAT32 && v.type != Type.FLOAT64) {
      throw wrongType(key, v, "a floating-point number");
    }
    return Double.longBitsToDouble(v.bits);
  }

  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    Value v = need(key);
    if (v.type != Type.BOOL) {
      throw wrongType(key, v, "true or false");
    }
    return v.bits != 0;
  }

  String text(String key) {
    Value v = need(key);
    if (v.type != Type.STRING) {
      throw wrongType(key, v, "a text");
    }
    if (v.count > MAX_TEXT) {
      throw fail(key, v.count + " bytes", "a text may have " + MAX_TEXT);
    }
    return new GgufCursor(file, v.offset, v.bytes).text((int) v.count, key);
  }

  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  String[] texts(String key) {
    Value v = array(key, Type.STRING);
    GgufCursor cursor = new GgufCursor(file, v.offset, v.bytes);
    String[] out = new String[Math.toIntExact(v.count)];
    String length = key + " length"; // once: there are as many texts as tokens
    for (int i = 0; i < out.length; i++) {
      out[i] = cursor.text(cursor.length(length, MAX_TEXT), key);
    }
    return out;
  }

  int[] integers(String key) {
    Value v = array(key, Type.INT32);
    GgufCursor cursor = new GgufCursor(file, v.offset, v.bytes);
    int[] out = new int[Math.toIntExact(v.count)];
    for (int i = 0; i < out.length; i++) {
      out[i] = cursor.i32(key);
    }
    return out;
  }

  float[] numbers(String key) {
    Value v = array(key, Type.FLOAT32);
    GgufCursor cursor = new GgufCursor(file, v.offset, v.bytes);
    float[] out = new float[Math.toIntExact(v.count)];
    for (int i = 0; i < out.length; i++) {
      out[i] = Float.intBitsToFloat(cursor.i32(key));
    }
    return out;
  }

  RuntimeFailure fail(String key, String value, String problem) {
    return GgufCursor.fail(file, "key " + key, value, problem);
  }

  private Value need(String key) {
    Value v = values.get(key);
    if (v == null) {
      throw fail(key, "(none)", "the model needs it");
    }
    return v;
  }

  private Value array(String key, Type element) {
    Value v = need(key);
    // llama.cpp writes token types as INT32, other writers as UINT32: the same bits for our values.
    boolean ok = v.element == element || element == Type.INT32 && v.element == Type.UINT32;
    if (v.type != Type.ARRAY || !ok) {
      throw wrongType(key, v, "an array of " + element);
    }
    if (v.count > Integer.MAX_VALUE - 8) {
      throw fail(key, v.count + " elements", "too many");
    }
    return v;
  }

  private long inRange(String key, Value v, long min, long max) {
    if (!v.type.isInteger()) {
      throw wrongType(key, v, "a whole number");
    }
    boolean overflow = v.type == Type.UINT64 && v.bits < 0;
    if (overflow || v.bits < min || v.bits > max) {
      String shown = overflow ? Long.toUnsignedString(v.bits) : Long.toString(v.bits);
      throw fail(key, shown, "must lie in [%d, %d]".formatted(min, max));
    }
    return v.bits;
  }

  private RuntimeFailure wrongType(String key, Value v, String expected) {
    String is = v.type == Type.ARRAY ? "an array of " + v.element : v.type.toString();
    return fail(key, is, "must be " + expected);
  }
}
