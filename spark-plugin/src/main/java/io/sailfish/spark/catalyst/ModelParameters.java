package io.sailfish.spark.catalyst;

import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.engine.SamplingParams;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/** Reads a constant {@code named_struct} argument such as modelParameters. */
final class ModelParameters {
  private static final Set<String> GENERATE =
      Set.of(
          "max_tokens",
          "temperature",
          "top_k",
          "top_p",
          "min_p",
          "repetition_penalty",
          "seed",
          "stop",
          "overflow");
  private static final Set<String> CLASSIFY = Set.of("instructions", "overflow");

  private final AiCall call;
  private final String argument;
  private final Map<String, Object> values = new LinkedHashMap<>();

  /**
   * @param struct null if the call leaves the argument out
   */
  ModelParameters(AiCall call, String argument, Expression struct) {
    this.call = call;
    this.argument = argument;
    if (struct == null) {
      return;
    }
    if (!(struct.dataType() instanceof StructType type)) {
      throw problem("it must be a named_struct, got " + struct.dataType().sql());
    }
    BoundCall.requireConstant(call, argument, struct);
    InternalRow row = (InternalRow) Constants.value(struct);
    if (row == null) {
      return;
    }
    for (int i = 0; i < type.length(); i++) {
      StructField field = type.apply(i);
      Object value = row.isNullAt(i) ? null : row.get(i, field.dataType());
      if (values.putIfAbsent(field.name().toLowerCase(Locale.ROOT), value) != null) {
        throw problem(field.name() + " is given twice");
      }
    }
  }

  RowTask.Generate generate() {
    requireKnown(GENERATE);
    try {
      SamplingParams params =
          new SamplingParams(
              (int) integer("max_tokens", call.marker().maxTokens(), Integer.MAX_VALUE),
              (float) number("temperature", 0),
              (int) integer("top_k", 0, Integer.MAX_VALUE),
              (float) number("top_p", 1),
              (float) number("min_p", 0),
              (float) number("repetition_penalty", 1),
              integer("seed", 0, Long.MAX_VALUE),
              stop());
      return new RowTask.Generate(null, params, overflow());
    } catch (IllegalArgumentException e) {
      throw problem(e.getMessage());
    }
  }

  RowTask.Classify classify(List<String> labels) {
    requireKnown(CLASSIFY);
    return new RowTask.Classify(labels, text("instructions"), overflow());
  }

  private void requireKnown(Set<String> known) {
    for (String name : values.keySet()) {
      if (!known.contains(name)) {
        throw problem("there is no " + name + "; known are " + String.join(", ", sorted(known)));
      }
    }
  }

  private static List<String> sorted(Set<String> names) {
    return names.stream().sorted().toList();
  }

  private Overflow overflow() {
    String policy = text("overflow");
    if (policy == null) {
      return Overflow.ERROR;
    }
    try {
      return Overflow.valueOf(policy.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw problem("overflow must be error, null, truncate_head or truncate_tail, got " + policy);
    }
  }

  private List<String> stop() {
    Object value = values.get("stop");
    if (value == null) {
      return List.of();
    }
    if (value instanceof UTF8String one) {
      return List.of(one.toString());
    }
    if (!(value instanceof ArrayData array)) {
      throw problem("stop must be a STRING or ARRAY<STRING>, got " + value);
    }
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < array.numElements(); i++) {
      if (array.isNullAt(i)) {
        throw problem("stop must not contain NULL");
      }
      texts.add(array.getUTF8String(i).toString());
    }
    return texts;
  }

  private String text(String name) {
    Object value = values.get(name);
    if (value != null && !(value instanceof UTF8String)) {
      throw problem(name + " must be a STRING, got " + value);
    }
    return value == null ? null : value.toString();
  }

  private long integer(String name, long otherwise, long max) {
    double value = number(name, otherwise);
    if (value != Math.rint(value) || Math.abs(value) > max) {
      throw problem(name + " must be a whole number up to " + max + ", got " + values.get(name));
    }
    return values.get(name) instanceof Long exact ? exact : (long) value;
  }

  private double number(String name, double otherwise) {
    Object value = values.get(name);
    if (value == null) {
      return otherwise;
    }
    if (value instanceof Decimal decimal) {
      return decimal.toDouble();
    }
    if (value instanceof Number n) {
      return n.doubleValue();
    }
    throw problem(name + " must be a number, got " + value);
  }

  private RuntimeException problem(String text) {
    return BoundCall.invalid(call, argument, text);
  }
}
